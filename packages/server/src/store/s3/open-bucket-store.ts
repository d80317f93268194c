/** A store in a bucket with all that lives in it: files, names, tokens. */
import type { Environment, SupercargoError } from '@supercargo/protocol'
import { bucketTokens } from '../../tokens/bucket-tokens.ts'
import type { StagingTokens } from '../../tokens/staging-tokens.ts'
import type { NameTree } from '../name-tree.ts'
import { openBucket, type S3Address } from './s3-address.ts'
import { guarded } from './s3-border.ts'
import { S3Layout } from './s3-layout.ts'
import { s3NameTree } from './s3-name-tree.ts'
import { createS3Store, type S3Store, type S3StoreOptions } from './s3-store.ts'

export interface BucketStore {
  readonly store: S3Store
  readonly names: NameTree
  readonly tokens: StagingTokens
}

export interface OpenBucketOptions extends Omit<S3StoreOptions, 'objects' | 'prefix' | 'onClose'> {
  readonly environment: Environment
  /** Hears of every answer and failure before it is tried again. */
  readonly onFailure?: (error: SupercargoError) => void
}

/** Over connections of its own, which end with the store. */
export async function openBucketStore(address: S3Address, options: OpenBucketOptions): Promise<BucketStore> {
  const { objects, close } = openBucket(address, options)
  try {
    return await createBucketStore({ ...options, objects, prefix: address.prefix, onClose: close })
  } catch (error) {
    close()
    throw error
  }
}

export async function createBucketStore(options: S3StoreOptions): Promise<BucketStore> {
  const { clock } = options
  const store = await createS3Store(options)
  const [objects, layout] = [guarded(options.objects), new S3Layout(options.prefix)]
  return { store, names: s3NameTree(objects, layout, clock), tokens: bucketTokens(objects, layout, clock) }
}
