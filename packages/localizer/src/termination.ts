/** The termination message: why the init-container ended, as JSON that fits what kubelet keeps of it. */
import { writeFile } from 'node:fs/promises'
import { causeChain, type SupercargoError } from '@supercargo/protocol'
import type { Report } from './report.ts'

/** What kubelet reads of a container's termination log. */
export const terminationBytesMax = 4096

/** Characters of one text before the whole is looked at. */
const textMax = 1024

interface FailureMessage {
  readonly version: 1
  readonly ok: false
  readonly kind: string
  readonly code: string
  readonly message: string
  readonly hint?: string
  readonly item?: string
  readonly source?: string
  readonly attempts?: number
  readonly elapsedMs: number
  readonly exitCode: number
  /** Innermost reasons, and failures of other items at the same time. */
  readonly causes?: readonly string[]
  readonly others?: readonly string[]
}

/** Never longer than `terminationBytesMax`, always valid JSON. `scrub` takes secrets out of every text. */
export function failureMessage(
  error: SupercargoError,
  elapsedMs: number,
  exitCode: number,
  scrub: (text: string) => string,
): string {
  const { item, source, attempts, others } = error.context
  const causes = causeChain(error)
    .slice(1)
    .filter((cause) => !error.message.includes(cause))
  const clean = (text: string, max = textMax) => cut(scrub(text.toWellFormed()), max)
  const message: FailureMessage = {
    version: 1,
    ok: false,
    kind: error.kind,
    code: error.code,
    message: clean(error.message, 2 * textMax),
    ...(error.hint === undefined ? {} : { hint: clean(error.hint) }),
    ...(typeof item === 'string' ? { item: clean(item) } : {}),
    ...(typeof source === 'string' ? { source: clean(source) } : {}),
    ...(typeof attempts === 'number' ? { attempts } : {}),
    elapsedMs: Math.round(elapsedMs),
    exitCode,
    ...(causes.length === 0 ? {} : { causes: causes.map((cause) => clean(cause)) }),
    ...(Array.isArray(others) ? { others: others.map((other) => clean(String(other))) } : {}),
  }
  return fit(message)
}

export function successMessage(report: Report): string {
  const { files, bytes, fetchedItems, fetchedBytes, elapsedMs } = report.totals
  return JSON.stringify({ version: 1, ok: true, files, bytes, fetchedItems, fetchedBytes, elapsedMs })
}

/** Writes the message where kubelet looks. The file is a mount: it is written in place. False when that was not possible. */
export async function writeTermination(file: string | undefined, message: string): Promise<boolean> {
  if (file === undefined) return true
  try {
    await writeFile(file, message)
    return true
  } catch {
    // The same message goes to stderr.
    return false
  }
}

/** Drops what is least needed first, then shortens the texts. */
function fit(message: FailureMessage): string {
  const { causes, others, ...rest } = message
  const { hint, source, ...least } = rest
  const candidates: object[] = [
    message,
    { ...rest, ...(causes === undefined ? {} : { causes: causes.slice(-1) }) },
    rest,
    least,
  ]
  for (const candidate of candidates) {
    const text = JSON.stringify(candidate)
    if (Buffer.byteLength(text) <= terminationBytesMax) return text
  }
  for (let max = textMax; ; max = Math.floor(max / 2)) {
    const text = JSON.stringify({
      ...least,
      message: cut(least.message, max),
      ...(least.item === undefined ? {} : { item: cut(least.item, Math.floor(max / 2)) }),
    })
    if (Buffer.byteLength(text) <= terminationBytesMax) return text
  }
}

/** At most `max` UTF-16 units, never half a character. */
function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, Math.max(0, max - 1)).toWellFormed()}…`
}
