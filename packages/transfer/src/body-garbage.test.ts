/** The bytes of a body are freed while it still arrives. */
import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { noteReceived } from './body-garbage.ts'

it('keeps the memory of used chunks bounded, however many bytes arrive', async () => {
  let most = 0
  const before = process.memoryUsage().arrayBuffers
  for (let chunks = 0; chunks < 4096; chunks++) {
    const chunk = Buffer.allocUnsafeSlow(64 << 10)
    noteReceived(chunk.length)
    if (chunks % 64 === 0) {
      // The dead buffers are freed on a thread that V8 joins at the next turn.
      await setImmediate()
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    }
  }
  expect(most).toBeLessThan(48 << 20)
})
