/** A failure as a person reads it, and as a program does. */
import { causeChain, type SupercargoError } from '@supercargo/protocol'
import type { Io } from './io.ts'

export interface ErrorStyle {
  readonly json: boolean
  /** Adds the stack. */
  readonly debug: boolean
}

/** One line, its causes indented, a hint; with `json` one object on stdout beside it. */
export function printError(io: Io, error: SupercargoError, style: ErrorStyle): void {
  const [message, ...causes] = causeChain(error)
  const lines = [`supercargo: ${message}`]
  let said = message!
  for (const cause of causes) {
    // A cause whose words are in the line above it adds nothing.
    if (cause === '' || said.includes(cause)) continue
    lines.push(`  ${cause.replaceAll('\n', '\n  ')}`)
    said = cause
  }
  if (error.hint !== undefined) lines.push(`hint: ${error.hint}`)
  if (typeof error.context.requestId === 'string') lines.push(`request: ${error.context.requestId}`)
  if (style.debug && error.stack !== undefined) lines.push(error.stack)
  io.stderr(`${lines.join('\n')}\n`)
  if (!style.json) return
  const { kind, code, hint } = error
  io.stdout(`${JSON.stringify({ error: { kind, code, message, ...(hint === undefined ? {} : { hint }) } })}\n`)
}
