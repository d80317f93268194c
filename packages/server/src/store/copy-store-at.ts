/** Opens two stores by their locations, both for itself alone, and copies one into the other. */
import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { SupercargoError } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import { type CopyOptions, type CopyReport, copyStore } from './copy-store.ts'
import { type BucketAccess, openStore, parseLocation, type StoreLocation } from './open-store.ts'
import type { StoreLimits } from './store.ts'

export type { CopyReport }

export interface CopyAtOptions extends Pick<CopyOptions, 'signal' | 'onProgress'> {
  /** As a setting names a store. */
  readonly from: string
  readonly to: string
  /** Where both are in buckets, both are asked so. */
  readonly access?: BucketAccess
  readonly clock: Clock
}

/** What was taken in once is not refused now; only the disk sets limits. */
const limits: StoreLimits = {
  fileBytesMax: 0,
  resourceBytesMax: 0,
  filesPerResourceMax: 0,
  namespaceBytesMax: 0,
  storeBytesMax: 0,
  freeBytesMin: 0,
  uploadBufferBytesMax: 64 * 2 ** 20,
  abandonedMs: 0,
}

export async function copyStoreAt(options: CopyAtOptions): Promise<CopyReport> {
  const { from, to, clock, access, signal, onProgress } = options
  if (isDeepStrictEqual(placeOf(from), placeOf(to)))
    throw new SupercargoError('invalid', 'same-store', 'a store cannot be copied into itself')
  const common = { limits, clock, ...(access !== undefined && { access }) }
  const source = await openStore(from, { ...common, mustExist: true })
  try {
    const target = await openStore(to, common)
    try {
      return await copyStore({ source, target, signal, ...(onProgress !== undefined && { onProgress }) })
    } finally {
      await target.store.close()
    }
  } finally {
    await source.store.close()
  }
}

function placeOf(location: string): StoreLocation {
  const found = parseLocation(location)
  return found.kind === 'disk' ? { kind: 'disk', directory: resolve(found.directory) } : found
}
