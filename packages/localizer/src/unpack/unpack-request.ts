/** What unpacking is asked for, and what it gives. */
import type { PlanLimits } from '@supercargo/protocol'
import type { Disk } from '../disk.ts'
import type { SyncQueue } from '../sync-queue.ts'

export interface UnpackRequest {
  /** The complete archive. */
  readonly path: string
  /** Exists and is empty. */
  readonly into: string
  /** For messages. */
  readonly name: string
  /** The last part of it may end in `.zip`, `.tgz` …; a name without an ending says nothing. */
  readonly fileName: string
  readonly sizeBytes: number
  readonly limits: PlanLimits
  readonly disk: Disk
  readonly syncs: SyncQueue
  readonly signal: AbortSignal
}

export interface Unpacked {
  /** Relative to `into`. */
  readonly files: readonly string[]
  readonly directories: readonly string[]
}
