/** Who sends too slowly is given up; who waits for the server is not. */
import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { SupercargoError } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type BodyWatch, createBodyWatch } from './body-watch.ts'

/** What the watch looks at: bytes of the socket, bytes that nobody has read, whether the body is complete. */
interface Sender {
  readonly request: IncomingMessage
  socket: { bytesRead: number }
  readableLength: number
  complete: boolean
}

function sender(): Sender {
  const state = Object.assign(new EventEmitter(), { socket: { bytesRead: 500 }, readableLength: 0, complete: false })
  return Object.assign(state, { request: state as unknown as IncomingMessage })
}

let watch: BodyWatch
beforeEach(() => {
  vi.useFakeTimers()
  watch = createBodyWatch({ idleTimeoutMs: 4000, bytesPerSecondMin: 100, graceMs: 5000 })
})
afterEach(() => {
  watch.close()
  vi.useRealTimers()
})

function codeOf(signal: AbortSignal): string | undefined {
  return signal.aborted ? (signal.reason as SupercargoError).code : undefined
}

describe('a body that arrives', () => {
  it('is given up when nothing comes for the idle time, not before', () => {
    const { signal } = watch.watch(sender().request)
    vi.advanceTimersByTime(3500)
    expect(codeOf(signal)).toBeUndefined()
    vi.advanceTimersByTime(1000)
    expect(codeOf(signal)).toBe('upload-idle')
  })

  it('is given up when it trickles, after the grace', () => {
    const slow = sender()
    const { signal } = watch.watch(slow.request)
    for (let second = 0; second < 5; second++) {
      slow.socket.bytesRead += 50
      vi.advanceTimersByTime(1000)
    }
    expect(codeOf(signal)).toBeUndefined()
    slow.socket.bytesRead += 50
    vi.advanceTimersByTime(1000)
    expect(codeOf(signal)).toBe('upload-too-slow')
  })

  it('is not blamed while the server itself does not read', () => {
    const held = sender()
    held.readableLength = 65_536
    const { signal } = watch.watch(held.request)
    vi.advanceTimersByTime(600_000)
    expect(codeOf(signal)).toBeUndefined()
    held.readableLength = 0
    vi.advanceTimersByTime(4000)
    expect(codeOf(signal)).toBe('upload-idle')
  })

  it('is not blamed once it is complete, nor after it is closed', () => {
    const complete = sender()
    const first = watch.watch(complete.request)
    complete.complete = true
    const second = watch.watch(sender().request)
    second.close()
    vi.advanceTimersByTime(600_000)
    expect([codeOf(first.signal), codeOf(second.signal)]).toEqual([undefined, undefined])
  })

  it('is fine at the least average', () => {
    const steady = sender()
    const { signal } = watch.watch(steady.request)
    for (let second = 0; second < 600; second++) {
      steady.socket.bytesRead += 100
      vi.advanceTimersByTime(1000)
    }
    expect(codeOf(signal)).toBeUndefined()
  })

  it('can be given up with all others', () => {
    const signals = [watch.watch(sender().request).signal, watch.watch(sender().request).signal]
    watch.abortAll(new SupercargoError('unavailable', 'draining', 'away'))
    expect(signals.map(codeOf)).toEqual(['draining', 'draining'])
  })
})
