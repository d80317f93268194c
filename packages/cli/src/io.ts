/** What a command has of the world: two text streams, the environment, the terminal, a signal to stop, and time. */
import type { Clock } from '@supercargo/transfer'

export interface Io {
  /** Data: what a pipe should get. */
  stdout(text: string): void
  /** Everything said to a person. */
  stderr(text: string): void
  /** Progress can be drawn over itself. */
  readonly stderrIsTerminal: boolean
  readonly columns: number
  readonly env: Readonly<Record<string, string | undefined>>
  /** Everything that is piped in. */
  readonly stdin?: (() => Promise<string>) | undefined
  /** Asks the person at the terminal; undefined where there is none. No answer is undefined. */
  readonly ask?: ((question: string) => Promise<string | undefined>) | undefined
  /** Aborted by the first ctrl-c or SIGTERM. */
  readonly signal: AbortSignal
  /** While it lasts, signals are handed to `to` and mean nothing here. Undefined where there are none. */
  readonly forwardSignals?: ((to: (signal: NodeJS.Signals) => void) => () => void) | undefined
  readonly clock: Clock
}

/** Colour is for terminals whose owner does not mind (no-color.org). */
export function colourful(io: Io): boolean {
  return io.stderrIsTerminal && (io.env.NO_COLOR ?? '') === '' && io.env.TERM !== 'dumb'
}
