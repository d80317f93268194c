/** What a wrapped command needs of the world. */
import type { StagingClient } from '@supercargo/client'
import type { Clock } from '@supercargo/transfer'
import type { Environment } from '../configuration.ts'
import type { WrappedCommand } from './prepare.ts'
import type { ForwardSignals } from './run-command.ts'

export interface WrapRequest {
  readonly command: WrappedCommand
  /** Of the staging server that `command` names. */
  readonly staging: StagingClient
  readonly gate: boolean
  /** For the command. */
  readonly environment: Environment
  readonly forward: ForwardSignals
  readonly userAgent: string
  readonly clock: Clock
  /** A line for a person. */
  readonly note: (text: string) => void
  readonly onProgress: NonNullable<Parameters<StagingClient['stage']>[0]['onProgress']>
}
