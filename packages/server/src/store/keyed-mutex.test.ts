/** One at a time per key, in order, whatever fails. */
import { describe, expect, it } from 'vitest'
import { KeyedMutex } from './keyed-mutex.ts'

describe('the keyed mutex', () => {
  it('runs work of one key in the order it came, one at a time, also after a failure', async () => {
    const mutex = new KeyedMutex()
    const log: string[] = []
    const work = (name: string, fails = false) =>
      mutex.run('key', async () => {
        log.push(`${name} begins`)
        await new Promise((resolve) => setImmediate(resolve))
        log.push(`${name} ends`)
        if (fails) throw new Error(name)
        return name
      })
    const outcomes = await Promise.allSettled([work('a'), work('b', true), work('c')])
    expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })

  it('lets work of other keys run beside it', async () => {
    const mutex = new KeyedMutex()
    const held = Promise.withResolvers<void>()
    const first = mutex.run('a', () => held.promise)
    expect(await mutex.run('b', async () => 'done')).toBe('done')
    held.resolve()
    await first
  })
})
