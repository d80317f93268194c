/** A bucket whose n-th call fails, before or after it took effect, and which can be cut off as a kill does. */
import { SupercargoError } from '@supercargo/protocol'
import type { BucketObjects } from '@supercargo/transfer/s3'

export interface FaultyBucket {
  readonly objects: BucketObjects
  /** Fails the call of this number, counted from now. `after`: it takes effect, and its answer is lost. */
  failAt(call: number, when: 'before' | 'after'): void
  /** Fails the call of this number and all that follow: the process is dead. */
  dieAt(call: number): void
  readonly failed: boolean
}

export function faultyBucket(real: BucketObjects): FaultyBucket {
  let countdown = 0
  let failsAfter = false
  let dies = false
  let failed = false
  let dead = false

  const objects = new Proxy(real, {
    get(target, name) {
      const method = Reflect.get(target, name, target) as unknown
      if (typeof method !== 'function') return method
      return (...parameters: unknown[]) => {
        if (!dead && countdown > 0 && --countdown === 0) {
          failed = true
          dead = dies
          if (failsAfter && !dies && !String(name).startsWith('list'))
            return (method.apply(target, parameters) as Promise<unknown>).then(() => Promise.reject(lost()))
          return String(name).startsWith('list') ? failing() : Promise.reject(lost())
        }
        if (dead) return String(name).startsWith('list') ? failing() : Promise.reject(lost())
        return method.apply(target, parameters) as unknown
      }
    },
  })

  return {
    objects,
    failAt(call, when) {
      ;[countdown, failsAfter, dies, failed] = [call, when === 'after', false, false]
    },
    dieAt(call) {
      ;[countdown, failsAfter, dies, failed] = [call, false, true, false]
    },
    get failed() {
      return failed
    },
  }
}

function lost(): SupercargoError {
  return new SupercargoError('unavailable', 's3-busy', 's3://cargo/key: the store is busy')
}

// biome-ignore lint/correctness/useYield: it fails before its first object.
async function* failing(): AsyncGenerator<never> {
  throw lost()
}
