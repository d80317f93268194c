/** From what a setting or an option calls a store to the open store: the one place that knows the kinds of stores. */
import { fileURLToPath } from 'node:url'
import { printable, SupercargoError } from '@supercargo/protocol'
import { openStagingTokens, type StagingTokens } from '../tokens/staging-tokens.ts'
import { DiskLayout } from './disk-layout.ts'
import { openDiskNameTree } from './disk-name-tree.ts'
import { createDiskStore, type DiskStore, type DiskStoreOptions } from './disk-store.ts'
import { nodeFileSystem } from './file-system.ts'
import type { NameTree } from './name-tree.ts'

export interface OpenedStore {
  readonly store: DiskStore
  readonly names: NameTree
  readonly tokens: StagingTokens
}

const schemePattern = /^([a-z][a-z0-9+.-]*):\/\//i

/** `location` is a directory, or a URL. Kind `invalid` for one that this build has no store for. */
export async function openStore(location: string, options: Omit<DiskStoreOptions, 'directory'>): Promise<OpenedStore> {
  const directory = storeDirectory(location)
  const store = await createDiskStore({ ...options, directory })
  try {
    const disk = { system: options.fs ?? nodeFileSystem, layout: new DiskLayout(directory), clock: options.clock }
    return { store, names: await openDiskNameTree(disk), tokens: await openStagingTokens(disk) }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** The directory that a location means; kind `invalid` for one that means another kind of store. */
export function storeDirectory(location: string): string {
  const scheme = schemePattern.exec(location)?.[1]?.toLowerCase()
  if (scheme === undefined) return location
  if (scheme === 'file' && URL.canParse(location) && new URL(location).host === '') return fileURLToPath(location)
  throw new SupercargoError(
    'invalid',
    'not-in-this-build',
    `this build has no store for ${printable(location.split('?', 1)[0]!)}`,
    { hint: 'name a directory' },
  )
}
