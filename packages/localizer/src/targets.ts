/** What stands in the target already: links are refused, directories are respected, before anything is fetched. */
import { dirname, join } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import { inside } from '@supercargo/transfer'
import type { Disk } from './disk.ts'

/**
 * Throws when a path of the set cannot become a file below `root` by a rename: without following a link (`unsafe`,
 * `symbolic-link`), replacing something that is not a file (`conflict`), or leaving the file system of the root (`invalid`).
 * `leaving` are files that will be removed first.
 */
export function checkTargets(root: string, paths: Iterable<string>, leaving: ReadonlySet<string>, disk: Disk): void {
  const directories = new Set<string>()
  const device = disk.stat(root)?.dev
  for (const path of paths) {
    const stats = disk.stat(inside(root, path))
    if (stats?.isSymbolicLink() === true) throw linkError(join(root, path))
    if (stats !== undefined && stats.dev !== device) throw mountError(root, path)
    if (stats !== undefined && !stats.isFile()) {
      throw new SupercargoError(
        'conflict',
        'target-taken',
        `${join(root, path)} is a ${stats.isDirectory() ? 'directory' : 'special file'} where a file has to be`,
        {
          hint: 'remove it, or give the item another target',
        },
      )
    }
    checkParents(root, path, leaving, directories, device, disk)
  }
}

function checkParents(
  root: string,
  path: string,
  leaving: ReadonlySet<string>,
  checked: Set<string>,
  device: number | undefined,
  disk: Disk,
): void {
  for (let parent = dirname(path); parent !== '.' && !checked.has(parent); parent = dirname(parent)) {
    const stats = disk.stat(join(root, parent))
    if (stats?.isSymbolicLink() === true) throw linkError(join(root, parent))
    if (stats !== undefined && !stats.isDirectory() && !leaving.has(parent)) {
      throw new SupercargoError(
        'conflict',
        'target-taken',
        `${join(root, parent)} is a file where a directory has to be`,
      )
    }
    if (stats !== undefined && stats.dev !== device) throw mountError(root, parent)
    checked.add(parent)
  }
}

/** Every directory above the paths, parents first. */
export function parentsOf(paths: Iterable<string>): string[] {
  const parents = new Set<string>()
  for (const path of paths) {
    for (let parent = dirname(path); parent !== '.' && !parents.has(parent); parent = dirname(parent))
      parents.add(parent)
  }
  return [...parents].sort()
}

/** False when a link has come to stand above the path: what is behind it is not ours to remove. */
export function isReachable(root: string, path: string, disk: Disk): boolean {
  return parentsOf([path]).every((parent) => disk.stat(join(root, parent))?.isDirectory() === true)
}

function linkError(path: string): SupercargoError {
  return new SupercargoError('unsafe', 'symbolic-link', `${path} is a symbolic link and is not followed`, {
    hint: 'remove the link, or choose another root',
  })
}

/** Found in the middle of the renames it would leave the set half published, and every later run with it. */
function mountError(root: string, path: string): SupercargoError {
  return new SupercargoError(
    'invalid',
    'other-file-system',
    `${join(root, path)} is on another file system than ${root}, and a set appears by renames, which do not cross it`,
    { hint: 'mount the volume at the root of the plan, or give what is mounted there a plan of its own' },
  )
}
