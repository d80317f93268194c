/** The structured log: what a line holds, and how an error becomes fields without anything secret in them. */
import { causeChain, toSupercargoError } from '@supercargo/protocol'
import { type DestinationStream, type Logger, pino } from 'pino'

export type Log = Logger
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

/** Lines of JSON, to standard output unless a destination is given. Callers pass chosen fields, never whole objects of a library. */
export function createLog(options: { readonly level: LogLevel; readonly destination?: DestinationStream }): Log {
  const settings = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { error: (error: unknown) => (error instanceof Error ? describeError(error) : error) },
  }
  return options.destination === undefined ? pino(settings) : pino(settings, options.destination)
}

/**
 * An error as fields: kind, code, message, the chain of causes; the stack only where it is a defect of ours. The fields
 * of foreign errors (which may hold a request and its headers) are left out.
 */
export function describeError(error: unknown): Record<string, unknown> {
  const own = toSupercargoError(error)
  const causes = causeChain(own).slice(1)
  return {
    kind: own.kind,
    code: own.code,
    message: own.message,
    ...(causes.length === 0 ? {} : { causes }),
    ...(own.kind === 'internal' ? { stack: stackOf(error) } : {}),
  }
}

function stackOf(error: unknown): string | undefined {
  let innermost: unknown = error
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause
  return innermost instanceof Error ? innermost.stack : undefined
}
