/** FORMAT: which layout a directory has and which cluster it serves. Nothing is touched before it says that the directory is ours. */
import { dirname } from 'node:path'
import { printable, SupercargoError } from '@supercargo/protocol'
import { isErrno } from '@supercargo/transfer'
import { z } from 'zod'
import { type DiskLayout, knownNames } from './disk-layout.ts'
import { type FileSystem, syncDirectory, writeFileDurably } from './file-system.ts'
import { fromStorageError } from './store-error.ts'

/** The layout of DESIGN §4. */
export const formatVersion = 1

export interface StoreFormat {
  readonly version: typeof formatVersion
  /** The uid of the cluster's `kube-system` namespace, null until a collector has seen one. */
  readonly clusterUid: string | null
}

const versionSchema = z.looseObject({ version: z.int().positive() })
const formatSchema = z.object({ version: z.literal(formatVersion), clusterUid: z.string().min(1).nullable() })

/** The format, or undefined for a directory that is empty or where an earlier first start was cut short. Throws for any other. */
export async function readFormat(system: FileSystem, layout: DiskLayout): Promise<StoreFormat | undefined> {
  const names = await system.list(layout.directory).catch((error: unknown): string[] => {
    if (isErrno(error, 'ENOENT')) return []
    if (isErrno(error, 'ENOTDIR'))
      throw new SupercargoError('invalid', 'store-not-a-directory', `the store ${layout.directory} is a file`, {
        cause: error,
      })
    throw fromStorageError(error, `cannot open the store ${layout.directory}`)
  })
  if (names.includes('FORMAT')) return parseFormat(await system.readText(layout.format), layout.directory)
  const foreign = names.find((name) => !knownNames.has(name))
  if (foreign !== undefined) {
    throw new SupercargoError(
      'invalid',
      'store-foreign',
      `${layout.directory} is no store: it has ${printable(foreign)} and no FORMAT`,
      {
        hint: 'give the server an empty directory',
      },
    )
  }
  if (names.includes('resources') && (await system.list(layout.resources)).length > 0)
    throw damaged(layout.directory, new Error('FORMAT is missing'))
  return undefined
}

/** Like `mkdir -p`, each new name durable. */
export async function makeDirectories(system: FileSystem, path: string): Promise<void> {
  try {
    await system.makeDirectory(path)
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return
    if (!isErrno(error, 'ENOENT') || dirname(path) === path) throw error
    await makeDirectories(system, dirname(path))
    await system.makeDirectory(path)
  }
  await syncDirectory(system, dirname(path))
}

/** Makes the directories and, last, FORMAT. May be repeated after a crash at any point. */
export async function makeStore(system: FileSystem, layout: DiskLayout): Promise<StoreFormat> {
  for (const path of [layout.incoming, layout.blobs, layout.resources]) {
    await system.makeDirectory(path).catch((error: unknown) => {
      if (!isErrno(error, 'EEXIST')) throw error
    })
  }
  const format: StoreFormat = { version: formatVersion, clusterUid: null }
  await writeFormat(system, layout, format)
  return format
}

/** Replaces FORMAT by one rename. */
export async function writeFormat(system: FileSystem, layout: DiskLayout, format: StoreFormat): Promise<void> {
  const scratch = layout.scratch('format', '0'.repeat(26))
  await writeFileDurably(system, scratch, `${JSON.stringify(format)}\n`)
  await system.rename(scratch, layout.format)
  await syncDirectory(system, layout.directory)
}

function parseFormat(text: string, directory: string): StoreFormat {
  let version: number
  let format: unknown
  try {
    format = JSON.parse(text)
    version = versionSchema.parse(format).version
  } catch (error) {
    throw damaged(directory, error)
  }
  if (version > formatVersion) {
    throw new SupercargoError(
      'invalid',
      'store-newer',
      `the store ${directory} has format version ${version}; this server knows version ${formatVersion}`,
      {
        hint: 'use the server version that wrote it, or a newer one',
      },
    )
  }
  const parsed = formatSchema.safeParse(format)
  if (!parsed.success) throw damaged(directory, parsed.error)
  return parsed.data
}

function damaged(directory: string, cause: unknown): SupercargoError {
  return new SupercargoError('corrupt', 'store-format', `FORMAT of the store ${directory} is damaged`, {
    cause,
    hint: `write {"version":${formatVersion},"clusterUid":null} into it when you are sure that the directory is a store`,
  })
}
