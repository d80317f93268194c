/** From what has arrived to what is to be published: renames, removals, directories and the report of the new set. */
import { join } from 'node:path'
import { pathConflict, printable, SupercargoError } from '@supercargo/protocol'
import { type Assignment, leavingFiles } from './assignment.ts'
import type { Disk } from './disk.ts'
import type { Input } from './expand.ts'
import { type Arrival, unpackDirectory } from './fetch-all.ts'
import type { Journal } from './journal.ts'
import { fileRecord, type ReportItem } from './report.ts'
import { checkTargets, isReachable, parentsOf } from './targets.ts'

interface Staged {
  readonly item: ReportItem
  readonly renames: Journal['renames']
  readonly directories: readonly string[]
}

/** Throws kind `conflict` when an archive's entry meets another input. Copies the bytes of inputs that share them. */
export async function assemble(
  assignment: Assignment,
  arrivals: readonly Arrival[],
  elapsedMs: number,
  now: Date,
  disk: Disk,
): Promise<Journal> {
  const { root, expanded, kept } = assignment
  const staged: Staged[] = []
  for (const arrival of arrivals) {
    let taken = false
    for (const input of arrival.content.inputs) {
      if (input.unpack) staged.push(stageEntries(arrival, input, disk))
      else {
        staged.push(await stageFile(arrival, input, taken, disk))
        taken = true
      }
    }
  }
  const items = inOrder([...kept, ...staged.map((one) => one.item)], expanded.inputs)
  checkConflicts(items, root.work.root)
  const paths = new Set(items.flatMap((item) => item.files.map((file) => file.path)))
  const removals = leavingFiles(root, paths).filter((path) => isReachable(root.work.root, path, disk))
  const renames = staged.flatMap((one) => one.renames)
  checkTargets(
    root.work.root,
    renames.map((rename) => rename.to),
    new Set(removals),
    disk,
  )
  const named = staged.flatMap((one) => one.directories)
  const directories = [...new Set([...parentsOf([...paths, ...named]), ...named])].sort()
  const before = new Set(root.previous?.directories ?? [])
  const ours = directories.filter((path) => before.has(path) || disk.stat(join(root.work.root, path)) === undefined)
  return {
    version: 1,
    removals,
    emptied: [...before]
      .filter((path) => !directories.includes(path) && isReachable(root.work.root, path, disk))
      .sort()
      .reverse(),
    directories,
    renames,
    report: {
      version: 1,
      root: root.work.root,
      plan: root.digest,
      finishedAt: now.toISOString(),
      elapsedMs: Math.round(elapsedMs),
      items,
      directories: ours,
      removed: removals,
    },
  }
}

/** The first target takes the fetched file itself; every further one a copy, for a link would let one change the other. */
async function stageFile(arrival: Arrival, input: Input, taken: boolean, disk: Disk): Promise<Staged> {
  const { content } = arrival
  const from = taken ? `${input.key}.copy` : content.name
  const path = join(content.root.work.incoming, from)
  if (taken) {
    await disk.copy(content.path, path)
    await disk.syncPath(path)
  }
  const record = fileRecord(disk.stat(path)!, input.to)
  const renames = [{ from, to: input.to, inode: record.inode, sizeBytes: record.sizeBytes }]
  return { item: reportItem(arrival, input, [record]), renames, directories: [] }
}

function stageEntries(arrival: Arrival, input: Input, disk: Disk): Staged {
  const directory = unpackDirectory(arrival.content, input)
  const below = (path: string) => (input.to === '.' ? path : `${input.to}/${path}`)
  const { files, directories } = arrival.unpacked.get(input.key)!
  const records = files.map((path) => fileRecord(disk.stat(join(directory, path))!, below(path)))
  const renames = files.map((path, index) => ({
    from: `${input.key}.d/${path}`,
    to: records[index]!.path,
    inode: records[index]!.inode,
    sizeBytes: records[index]!.sizeBytes,
  }))
  const named = directories.map(below)
  return {
    item: reportItem(arrival, input, records),
    renames,
    directories: input.to === '.' ? named : [input.to, ...named],
  }
}

function reportItem({ fetched }: Arrival, input: Input, files: ReportItem['files']): ReportItem {
  return { key: input.key, source: input.shown, target: input.to, unpacked: input.unpack, ...fetched, files }
}

/** In the order of the plan, whatever came first. */
function inOrder(items: readonly ReportItem[], inputs: readonly Input[]): ReportItem[] {
  const byKey = new Map(items.map((item) => [item.key, item]))
  return [...new Set(inputs.map((input) => input.key))].map((key) => byKey.get(key)!)
}

/** Entries of archives are known only now; everything else was compared before the first byte. */
function checkConflicts(items: readonly ReportItem[], root: string): void {
  if (!items.some((item) => item.unpacked)) return
  const owners = new Map<string, ReportItem>()
  for (const item of items) {
    for (const { path } of item.files) {
      const twin = owners.get(path)
      if (twin !== undefined) {
        throw new SupercargoError(
          'conflict',
          'same-target',
          `in ${root}: ${twin.source} and ${item.source} both have ${printable(path)}`,
          {
            hint: 'unpack one of the two somewhere else',
          },
        )
      }
      owners.set(path, item)
    }
  }
  const fault = pathConflict(owners.keys())
  if (fault !== undefined) throw new SupercargoError('conflict', 'same-target', `in ${root}: ${fault}`)
}
