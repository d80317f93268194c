/** Checks a store by its location, whichever kind it is. */
import type { Clock } from '@supercargo/transfer'
import { type BucketAccess, parseLocation, unknownAccess } from './open-store.ts'
import { type VerifyOptions, type VerifyReport, verifyStore } from './verify-store.ts'

export type { VerifyReport }

export interface VerifyAtOptions extends Omit<VerifyOptions, 'directory' | 'fs'> {
  /** As a setting names a store. */
  readonly store: string
  readonly clock: Clock
  readonly access?: BucketAccess
}

/** A bucket has no lock: it is always checked beside its servers, and `readOnly` changes nothing there. */
export async function verifyStoreAt({ store, clock, access, ...options }: VerifyAtOptions): Promise<VerifyReport> {
  const found = parseLocation(store)
  if (found.kind === 'disk') return verifyStore({ ...options, directory: found.directory })
  const [{ openBucket }, { verifyBucket }] = await Promise.all([
    import('./s3/s3-address.ts'),
    import('./s3/verify-bucket.ts'),
  ])
  const { environment, ...settings } = access ?? unknownAccess
  const { objects, close } = openBucket({ ...settings, ...found.place }, { environment, clock })
  const { signal } = options
  // Nothing is to be kept, so whoever stops it does not wait for an answer of the bucket.
  signal.addEventListener('abort', close)
  try {
    return await verifyBucket({ ...options, objects, prefix: found.place.prefix, store })
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', close)
    close()
  }
}
