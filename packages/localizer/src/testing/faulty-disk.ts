/** The real disk, with the n-th call made to fail: for the loops that fail every call once. */
import { SupercargoError } from '@supercargo/protocol'
import { type Disk, realDisk } from '../disk.ts'

export interface FaultyDisk {
  readonly disk: Disk
  /** Calls so far, and what the failed one was. */
  readonly calls: number
  readonly failed: string | undefined
}

/** `stat` cannot fail by itself on a healthy root and is not counted; everything that changes the disk is. */
export function failingDisk(nth: number, error: () => SupercargoError = diskError): FaultyDisk {
  const state = { calls: 0, failed: undefined as string | undefined }
  const disk = new Proxy(realDisk, {
    get: (target, name: keyof Disk) => {
      const method = target[name] as (...parameters: unknown[]) => unknown
      if (name === 'stat' || name === 'close' || name === 'closeAtOnce') return method
      return (...parameters: unknown[]) => {
        state.calls++
        if (state.calls !== nth) return method(...parameters)
        state.failed = `${name} ${parameters.filter((parameter) => typeof parameter === 'string').join(' ')}`
        if (['open', 'writeSmall', 'writeAt', 'setMode', 'removeFile', 'freeBytes'].includes(name)) throw error()
        return Promise.reject(error())
      }
    },
  })
  return {
    disk,
    get calls() {
      return state.calls
    },
    get failed() {
      return state.failed
    },
  }
}

function diskError(): SupercargoError {
  return new SupercargoError('internal', 'disk-error', 'the device reports an error')
}
