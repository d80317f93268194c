/** A command that was asked for, with everything it needs, and what runs it. */
import type { Command } from './commands.ts'
import type { Io } from './io.ts'
import type { Settings } from './settings.ts'

export interface Invocation {
  readonly command: Command
  readonly positionals: readonly string[]
  readonly settings: Settings
  /** Everything after the command's name, as it was typed. */
  readonly argv: readonly string[]
  readonly io: Io
}

/** Resolves to the exit code. Failures are thrown. */
export type Run = (invocation: Invocation) => Promise<number>
