/** The one way from an outside string to a path on disk. */
import { join, resolve, sep } from 'node:path'
import { pathFault, printable, SupercargoError } from '@supercargo/protocol'

/**
 * `path` (a `/`-separated relative path from outside) below `root`, or an error of kind `unsafe`. Refuses by the grammar of
 * `pathFault` and checks the outcome once more; it does not look at the disk, so links are the caller's concern.
 */
export function inside(root: string, path: string): string {
  const fault = pathFault(path)
  const base = resolve(root)
  const full = join(base, path)
  if (fault !== undefined || !full.startsWith(base === sep ? base : base + sep)) {
    throw new SupercargoError(
      'unsafe',
      'path-escape',
      `the path ${printable(path)} is refused: ${fault ?? 'it leads outside its root'}`,
    )
  }
  return full
}
