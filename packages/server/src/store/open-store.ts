/** From what a setting or an option calls a store to the open store: the one place that knows the kinds of stores. */
import { fileURLToPath } from 'node:url'
import { type Environment, printable, SupercargoError } from '@supercargo/protocol'
import { openStagingTokens, type StagingTokens } from '../tokens/staging-tokens.ts'
import { DiskLayout } from './disk-layout.ts'
import { openDiskNameTree } from './disk-name-tree.ts'
import { createDiskStore, type DiskStoreOptions } from './disk-store.ts'
import { nodeFileSystem } from './file-system.ts'
import type { StoreMaintenance } from './maintenance.ts'
import type { NameTree } from './name-tree.ts'
import type { S3Address } from './s3/s3-address.ts'
import { parseS3Place, type S3Place } from './s3/s3-place.ts'
import type { Store } from './store.ts'
import type { StoreArchive } from './store-archive.ts'

export interface OpenedStore {
  readonly store: Store & { readonly archive: StoreArchive; readonly maintenance: StoreMaintenance }
  readonly names: NameTree
  readonly tokens: StagingTokens
}

/** How buckets are asked, whichever a location names. */
export interface BucketAccess extends Omit<S3Address, keyof S3Place> {
  /** Has the credentials. */
  readonly environment: Environment
}

export interface OpenStoreOptions extends Omit<DiskStoreOptions, 'directory'> {
  /** Needed for a location in a bucket. */
  readonly access?: BucketAccess
}

export type StoreLocation =
  | { readonly kind: 'disk'; readonly directory: string }
  | { readonly kind: 's3'; readonly place: S3Place }

/** Without credentials. */
export const unknownAccess: BucketAccess = {
  ...{ environment: {}, endpoint: undefined, region: undefined, pathStyle: undefined, caFile: undefined },
}
const schemePattern = /^([a-z][a-z0-9+.-]*):\/\//i

/** Kind `invalid` for a location of which this build has no store. */
export async function openStore(location: string, options: OpenStoreOptions): Promise<OpenedStore> {
  const found = parseLocation(location)
  const { access, fs, ...common } = options
  if (found.kind === 's3') {
    // Loaded only here: who keeps files on a volume does not pay for it.
    const { openBucketStore } = await import('./s3/open-bucket-store.ts')
    const { environment, ...settings } = access ?? unknownAccess
    return openBucketStore({ ...settings, ...found.place }, { ...common, environment })
  }
  const { directory } = found
  const store = await createDiskStore({ ...common, directory, ...(fs !== undefined && { fs }) })
  try {
    const disk = { system: fs ?? nodeFileSystem, layout: new DiskLayout(directory), clock: options.clock }
    return { store, names: await openDiskNameTree(disk), tokens: await openStagingTokens(disk) }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** A directory, or a URL. Kind `invalid` for what this build has no store for. */
export function parseLocation(location: string): StoreLocation {
  const scheme = schemePattern.exec(location)?.[1]?.toLowerCase()
  if (scheme === undefined) return { kind: 'disk', directory: location }
  if (scheme === 's3' || scheme === 's3a') return { kind: 's3', place: parseS3Place(location) }
  if (scheme === 'file' && URL.canParse(location) && new URL(location).host === '')
    return { kind: 'disk', directory: fileURLToPath(location) }
  throw new SupercargoError(
    'invalid',
    'not-in-this-build',
    `this build has no store for ${printable(location.split('?', 1)[0]!)}`,
    { hint: 'name a directory, or s3://bucket/prefix' },
  )
}
