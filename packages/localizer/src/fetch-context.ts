/** What every fetch of a run shares: limits, time, disk, hashing, and who is told. */
import type { Digest, PlanLimits } from '@supercargo/protocol'
import type { Clock, Hasher } from '@supercargo/transfer'
import type { ConnectionBudget } from './connection-budget.ts'
import type { Disk } from './disk.ts'
import type { DiskSpace } from './disk-space.ts'
import type { Progress } from './progress.ts'
import type { Sources } from './sources/registry.ts'
import type { SourceItem } from './sources/source.ts'
import type { SyncQueue } from './sync-queue.ts'

export interface FetchContext {
  readonly limits: PlanLimits
  /** On the clock's monotonic scale. */
  readonly deadlineAtMs: number
  readonly clock: Clock
  readonly disk: Disk
  readonly space: DiskSpace
  /** Without one, everything is hashed by the thread that receives it. */
  readonly hasher: Hasher | undefined
  readonly budget: ConnectionBudget
  readonly syncs: SyncQueue
  readonly sources: Sources
  readonly progress: Progress
  readonly log: (line: string) => void
}

/** One content to fetch, for one or more targets. */
export interface Fetch {
  readonly item: SourceItem
  readonly shown: string
  /** The first target, for messages. */
  readonly target: string
  /** Where it is gathered: a path in `incoming`. */
  readonly path: string
  readonly digest: Digest | undefined
  readonly sizeBytes: number | undefined
  /** Whether the disk space was claimed already, because the size was known. */
  readonly claimed: boolean
}

export interface Fetched {
  readonly sizeBytes: number
  readonly digest: Digest
  readonly attempts: number
  readonly waitingMs: number
  readonly receivingMs: number
  readonly hashingMs: number
  readonly writingMs: number
}
