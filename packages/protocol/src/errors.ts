/** The one error class, its closed set of kinds, and the table that turns a kind into a status, an exit code and a retry. */

/** A closed set: callers switch on it. Adding a kind is a change of the contract. */
export type ErrorKind =
  | 'invalid'
  | 'denied'
  | 'notFound'
  | 'conflict'
  | 'tooLarge'
  | 'unsafe'
  | 'corrupt'
  | 'range'
  | 'unavailable'
  | 'interrupted'
  | 'exhausted'
  | 'internal'

export interface KindRow {
  /** HTTP status at the server's edge. */
  readonly status: number
  /** Exit code of a program that ends with it (sysexits.h). */
  readonly exitCode: number
  /** Whether the same request may succeed later without anybody changing anything. */
  readonly retry: boolean
}

/** DESIGN: one table maps kind to HTTP status, exit code and retry. Decided at the edge; storage knows none of them. */
export const kindTable: Readonly<Record<ErrorKind, KindRow>> = {
  invalid: { status: 400, exitCode: 65, retry: false },
  denied: { status: 403, exitCode: 77, retry: false },
  notFound: { status: 404, exitCode: 66, retry: false },
  conflict: { status: 409, exitCode: 73, retry: false },
  tooLarge: { status: 413, exitCode: 65, retry: false },
  unsafe: { status: 422, exitCode: 65, retry: false },
  corrupt: { status: 422, exitCode: 65, retry: false },
  range: { status: 416, exitCode: 70, retry: false },
  unavailable: { status: 503, exitCode: 75, retry: true },
  interrupted: { status: 400, exitCode: 75, retry: true },
  exhausted: { status: 507, exitCode: 75, retry: false },
  internal: { status: 500, exitCode: 70, retry: false },
}

/** Exit code for wrong arguments (sysexits.h EX_USAGE); no kind maps to it, only the command line does. */
export const usageExitCode = 64

export interface SupercargoErrorOptions {
  cause?: unknown
  /** What the reader can do about it, one sentence. */
  hint?: string | undefined
  /** Facts of the situation: names and numbers. Never a secret. */
  context?: Readonly<Record<string, string | number | boolean | readonly string[]>> | undefined
  /** For `unavailable`: do not come back sooner than this. */
  retryAfterMs?: number | undefined
  /** Overrides the table where one kind has two statuses (`denied`: 401 when credentials are missing or wrong). */
  status?: number | undefined
}

const brand = Symbol.for('supercargo.error')

/**
 * The error of every package. `kind` is for programs, `code` (kebab-case, one per situation, stable) for documentation
 * and dashboards, the message for people. The outer message does not repeat the cause's.
 */
export class SupercargoError extends Error {
  readonly kind: ErrorKind
  readonly code: string
  readonly hint: string | undefined
  readonly context: Readonly<Record<string, string | number | boolean | readonly string[]>>
  readonly retryAfterMs: number | undefined
  readonly status: number

  constructor(kind: ErrorKind, code: string, message: string, options: SupercargoErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'SupercargoError'
    this.kind = kind
    this.code = code
    this.hint = options.hint
    this.context = options.context ?? {}
    this.retryAfterMs = options.retryAfterMs
    this.status = options.status ?? kindTable[kind].status
    Object.defineProperty(this, brand, { value: true })
  }

  get exitCode(): number {
    return kindTable[this.kind].exitCode
  }

  get retry(): boolean {
    return kindTable[this.kind].retry
  }

  /** True for errors of this class, also when two copies of this module are loaded (a bundle and its source). */
  static is(error: unknown): error is SupercargoError {
    return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[brand] === true
  }
}

/** Anything thrown, as our error: our own unchanged, everything else `internal` with the original as its cause. */
export function toSupercargoError(error: unknown): SupercargoError {
  if (SupercargoError.is(error)) return error
  const message = error instanceof Error ? error.message : String(error)
  return new SupercargoError('internal', 'unexpected', `unexpected failure: ${message}`, { cause: error })
}

/** The innermost reasons, outermost first, for a line that a person reads. */
export function causeChain(error: unknown): string[] {
  const messages: string[] = []
  let current: unknown = error
  while (current instanceof Error && messages.length < 8) {
    messages.push(current.message)
    current = current.cause
  }
  return messages
}
