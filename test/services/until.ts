/** Waits for a state, with a bound, and says what it waited for when the bound is reached. */
import { setTimeout as pause } from 'node:timers/promises'
import { SupercargoError } from '@supercargo/protocol'

export interface Wait {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  readonly intervalMs?: number
}

/**
 * Asks again and again until the answer is neither `undefined` nor `false`. A probe that throws has not found the state yet; the last
 * reason is the cause of the error. A probe that throws a `SupercargoError` ends the waiting: the state cannot come any more.
 */
export async function until<T>(
  what: string,
  probe: (signal: AbortSignal) => Promise<T | undefined | false>,
  wait: Wait,
): Promise<T> {
  const deadline = AbortSignal.timeout(wait.timeoutMs)
  const signal = wait.signal === undefined ? deadline : AbortSignal.any([deadline, wait.signal])
  let last: unknown
  while (!signal.aborted) {
    try {
      const found = await probe(signal)
      if (found !== undefined && found !== false) return found
      last = undefined
    } catch (cause) {
      if (SupercargoError.is(cause)) throw cause
      last = cause
    }
    await pause(wait.intervalMs ?? 50, undefined, { signal }).catch(() => undefined)
  }
  wait.signal?.throwIfAborted()
  throw new SupercargoError('unavailable', 'not-ready', `${what}: not within ${wait.timeoutMs / 1000} s`, {
    cause: last,
  })
}
