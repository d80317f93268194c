/** The parts of a store in a bucket that its uploads, intakes and maintenance share. */
import type { Clock } from '@supercargo/transfer'
import type { BucketObjects } from '@supercargo/transfer/s3'
import type { KeyedMutex } from '../keyed-mutex.ts'
import type { SpaceLedger } from '../space-ledger.ts'
import type { StoreLimits } from '../store.ts'
import type { StoreEvents } from '../store-events.ts'
import type { PartBudget } from './part-budget.ts'
import type { S3Layout } from './s3-layout.ts'
import type { S3Links } from './s3-links.ts'
import type { S3Records } from './s3-records.ts'

export interface S3StoreParts {
  readonly objects: BucketObjects
  readonly layout: S3Layout
  readonly limits: StoreLimits
  readonly clock: Clock
  readonly ledger: SpaceLedger
  readonly links: S3Links
  readonly records: S3Records
  readonly events: StoreEvents
  readonly budget: PartBudget
  /** Serialises what changes one resource here; replicas are kept apart by comparing writes. */
  readonly changes: KeyedMutex
  /** Namespaces whose uploads send every byte, so that to know a digest gives nothing. */
  readonly isolatedNamespaces: ReadonlySet<string>
}
