/** The real store, whose n-th call (of itself or of what it hands out) fails like a device. */
import { SupercargoError } from '@supercargo/protocol'
import type { Store } from '../store/store.ts'

export interface FailingStore {
  readonly store: Store
  /** Fails the call of this number, counted from now. */
  failAt(call: number): void
  /** Fails none from now on. */
  heal(): void
  /** The name of the call that failed, if one did. */
  failed(): string | undefined
}

/** Clean-up is left alone: what a failed clean-up leaves is a matter of sweeps. */
const spared = new Set(['abort', 'suspend', 'close', 'usage', 'probe', 'bindNamespace', 'upload'])

export function makeFailing(real: Store): FailingStore {
  let countdown = 0
  let failedCall: string | undefined
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(object, name) {
        const value = Reflect.get(object, name, object) as unknown
        if (typeof value !== 'function') return value
        return (...parameters: unknown[]) => {
          if (!spared.has(String(name)) && countdown > 0 && --countdown === 0) {
            failedCall = String(name)
            return Promise.reject(deviceError())
          }
          const result = value.apply(object, parameters) as unknown
          return result instanceof Promise ? result.then(wrapAnswer) : result
        }
      },
    })
  const wrapAnswer = (answer: unknown): unknown =>
    typeof answer === 'object' && answer !== null && ('write' in answer || 'file' in answer || 'read' in answer)
      ? wrap(answer)
      : answer
  return {
    store: wrap(real),
    failAt(call) {
      countdown = call
      failedCall = undefined
    },
    heal() {
      countdown = 0
    },
    failed: () => failedCall,
  }
}

function deviceError(): SupercargoError {
  const cause = Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO', errno: -5, syscall: 'write' })
  return new SupercargoError('internal', 'disk-error', 'cannot write /secret/place: the device reports an error', {
    cause,
  })
}
