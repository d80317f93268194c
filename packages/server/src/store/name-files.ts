/** The files and directories that a tree of names is made of: read, walked, written down. */
import { digestSchema } from '@supercargo/protocol'
import { isErrno } from '@supercargo/transfer'
import { z } from 'zod'
import { isNamespace } from './disk-layout.ts'
import { type FileSystem, syncDirectory } from './file-system.ts'
import type { NamedFile, NameEntry, NamePlace } from './name-tree.ts'
import { damagedName } from './name-tree-error.ts'

export const treePattern = /^[a-z0-9]{1,63}$/

const nameSchema = z.object({
  version: z.literal(1),
  resourceId: z.string(),
  file: z.string(),
  sizeBytes: z.int().nonnegative(),
  digest: digestSchema,
  modifiedMs: z.number().nonnegative(),
})

/** What a file's name says, as it is kept. */
export function nameText(file: NamedFile): string {
  return JSON.stringify({ version: 1, ...file })
}

export async function entryAt(system: FileSystem, path: string): Promise<NameEntry | undefined> {
  let text: string
  try {
    const facts = await system.stat(path)
    if (facts.directory) return { type: 'directory', modifiedMs: facts.modifiedMs }
    text = await system.readText(path)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
  try {
    const { version: _, ...file } = nameSchema.parse(JSON.parse(text))
    return { type: 'file', ...file }
  } catch (error) {
    throw damagedName(error)
  }
}

/** Undefined when there is no such directory. */
export async function namesIn(system: FileSystem, directory: string): Promise<string[] | undefined> {
  try {
    return await system.list(directory)
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

/** Everything below a directory, what is inside before what holds it. */
export async function* walk(
  system: FileSystem,
  directory: string,
): AsyncGenerator<{ readonly path: string; readonly entry: NameEntry }> {
  for (const name of (await namesIn(system, directory)) ?? []) {
    const path = `${directory}/${name}`
    const entry = await entryAt(system, path)
    if (entry === undefined) continue
    if (entry.type === 'directory') yield* walk(system, path)
    yield { path, entry }
  }
}

/** Everything in every tree below the directory of all of them; foreign directories are passed over. */
export async function* walkTrees(
  system: FileSystem,
  directory: string,
): AsyncGenerator<{ readonly place: NamePlace; readonly path: string; readonly entry: NameEntry }> {
  for (const namespace of (await namesIn(system, directory)) ?? []) {
    if (!isNamespace(namespace)) continue
    for (const tree of (await namesIn(system, `${directory}/${namespace}`)) ?? []) {
      if (!treePattern.test(tree)) continue
      const top = `${directory}/${namespace}/${tree}`
      for await (const { path, entry } of walk(system, top))
        yield { place: { namespace, tree, path: path.slice(top.length + 1) }, path, entry }
    }
  }
}

/** Nothing happens when something has the name. */
export async function makeDirectoryDurably(system: FileSystem, parent: string, path: string): Promise<void> {
  try {
    await system.makeDirectory(path)
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return
    throw error
  }
  await syncDirectory(system, parent)
}
