/** Class paths: entries that are files of this machine and are in the pods under another path. Pure. */
import { resolve } from 'node:path'

/**
 * The class path as the pods see it, or undefined when it stays as it is. `places` gives the path in the pods by the path here;
 * what is not among it is a path in the pods already.
 */
export function classPathInPods(
  text: string | undefined,
  places: ReadonlyMap<string, string>,
  directory: string,
): string | undefined {
  if (text === undefined) return undefined
  const entries = text.split(':')
  const moved = entries.map((entry) => (entry === '' ? entry : (places.get(resolve(directory, entry)) ?? entry)))
  return moved.some((entry, at) => entry !== entries[at]) ? moved.join(':') : undefined
}
