/** `root/.supercargo`: what is unfinished, the journal and the report, on the file system that they are published to. */
import { dirname, join, resolve } from 'node:path'
import { SupercargoError, workDirectoryName } from '@supercargo/protocol'
import { type Disk, directoryMode, workMode } from './disk.ts'

export interface WorkDirectory {
  readonly root: string
  readonly path: string
  /** Files that are being fetched, and archives that are being unpacked. */
  readonly incoming: string
  readonly journal: string
  /** A journal that could not be read, set aside. */
  readonly damagedJournal: string
  /** Held by the one run that is at work here. */
  readonly lock: string
  readonly report: string
}

export function workDirectory(root: string): WorkDirectory {
  const base = resolve(root)
  const path = join(base, workDirectoryName)
  return {
    root: base,
    path,
    incoming: join(path, 'incoming'),
    journal: join(path, 'journal.json'),
    damagedJournal: join(path, 'journal.damaged.json'),
    lock: join(path, 'lock'),
    report: join(path, 'report.json'),
  }
}

/** Makes the root and its work directory where they are missing. Throws kind `unsafe` when a link stands in their place. */
export async function openWorkDirectory(root: string, disk: Disk): Promise<WorkDirectory> {
  const work = workDirectory(root)
  await makeRoot(work.root, disk)
  await makePrivate(work.path, work.root, disk)
  return work
}

/** Makes `incoming`, empties it of what no plan names any more, and of notes about files that have gone. */
export async function openIncoming(work: WorkDirectory, wanted: ReadonlySet<string>, disk: Disk): Promise<void> {
  await makePrivate(work.incoming, work.root, disk)
  const names = new Set(await disk.list(work.incoming))
  for (const name of names) {
    const file = name.replace(/\.etag$/, '')
    if (!wanted.has(file) || !names.has(file)) await disk.remove(join(work.incoming, name))
  }
}

async function makePrivate(path: string, root: string, disk: Disk): Promise<void> {
  if (disk.stat(path)?.isSymbolicLink() === true) {
    throw new SupercargoError('unsafe', 'symbolic-link', `${path} is a symbolic link; it must be a directory`)
  }
  try {
    await disk.makeDirectory(path, workMode)
  } catch (error) {
    throw withOwner(error, root, disk)
  }
}

async function makeRoot(path: string, disk: Disk): Promise<void> {
  if (disk.stat(path) !== undefined || dirname(path) === path) return
  await makeRoot(dirname(path), disk)
  await disk.makeDirectory(path, directoryMode)
}

/** "Permission denied" alone has cost many an hour: says who we are and whose the directory is. */
function withOwner(error: unknown, root: string, disk: Disk): unknown {
  if (!SupercargoError.is(error) || error.code !== 'permission') return error
  const stats = disk.stat(root)
  const mode =
    stats === undefined ? '' : `; it belongs to ${stats.uid}:${stats.gid}, mode 0${(stats.mode & 0o7777).toString(8)}`
  const message = `cannot write in ${root} as user ${process.geteuid?.()}:${process.getegid?.()}${mode}`
  return new SupercargoError('denied', error.code, message, { cause: error.cause, hint: error.hint })
}
