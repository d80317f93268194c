/** What of a root's inputs is in place already, and what has to be fetched, each content once. */
import { join } from 'node:path'
import type { Disk } from './disk.ts'
import type { ExpandedRoot, Input } from './expand.ts'
import { isIntact, type ReportItem } from './report.ts'
import type { Root } from './survey.ts'

/** One content to fetch into `incoming`, for all inputs of the root that want it. */
export interface Content {
  readonly root: Root
  readonly name: string
  readonly path: string
  readonly inputs: readonly Input[]
}

export interface Assignment {
  readonly root: Root
  readonly expanded: ExpandedRoot
  readonly kept: readonly ReportItem[]
  readonly contents: readonly Content[]
}

/**
 * An input is kept when the last report has it and its files are as they were published. Without a digest that holds for
 * the same plan only: another plan may mean that the source is to be looked at again.
 */
export function assign(root: Root, expanded: ExpandedRoot, disk: Disk): Assignment {
  const before = new Map(root.previous?.items.map((item) => [item.key, item]))
  const kept: ReportItem[] = []
  const missing = new Map<string, Input[]>()
  for (const input of expanded.inputs) {
    const item = before.get(input.key)
    const known = input.digest !== undefined || root.previous?.plan === root.digest
    if (item !== undefined && known && isIntact(item, root.work.root, disk)) {
      kept.push({ ...item, attempts: 0, waitingMs: 0, receivingMs: 0, hashingMs: 0, writingMs: 0 })
    } else {
      const twins = missing.get(input.content)
      if (twins === undefined) missing.set(input.content, [input])
      else twins.push(input)
    }
  }
  const contents = [...missing].map(([name, inputs]) => ({ root, name, path: join(root.work.incoming, name), inputs }))
  return { root, expanded, kept, contents }
}

/** Files that the last report names and nothing of the new set does. */
export function leavingFiles(root: Root, staying: ReadonlySet<string>): string[] {
  const before = (root.previous?.items ?? []).flatMap((item) => item.files.map((file) => file.path))
  return [...new Set(before)].filter((path) => !staying.has(path))
}
