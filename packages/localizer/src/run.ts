/** What all parts of one run share: limits, time, disk, sources, and who is told. */
import type { PlanLimits } from '@supercargo/protocol'
import type { Clock, Hasher } from '@supercargo/transfer'
import type { Disk } from './disk.ts'
import type { Progress } from './progress.ts'
import type { Sources } from './sources/registry.ts'

export interface Run {
  readonly limits: PlanLimits
  readonly clock: Clock
  readonly beganMs: number
  readonly deadlineAtMs: number
  readonly disk: Disk
  /** Undefined where the memory budget does not pay for a thread. */
  readonly hasher: Hasher | undefined
  readonly progress: Progress
  readonly sources: Sources
  /** Transfers at a time. */
  readonly transfersMax: number
  readonly log: (line: string) => void
  readonly signal: AbortSignal
}
