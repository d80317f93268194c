/** Many things a few at a time, and what happens to the others when one fails. */
import { describe, expect, it } from 'vitest'
import { forEachLimited, Semaphore } from './concurrency.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('work in lanes', () => {
  it('never has more at a time than its limit, and does everything once', async () => {
    let running = 0
    let most = 0
    const done: number[] = []
    await forEachLimited(
      Array.from({ length: 50 }, (_, index) => index),
      4,
      async (item) => {
        most = Math.max(most, ++running)
        for (let turns = item % 5; turns >= 0; turns--) await turn()
        running--
        done.push(item)
      },
    )
    expect(most).toBe(4)
    expect(done.sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index))
  })

  it('reports the first failure, begins nothing after it, and waits for what runs', async () => {
    const begun: number[] = []
    let finished = 0
    const work = forEachLimited([0, 1, 2, 3, 4, 5, 6, 7], 3, async (item, signal) => {
      begun.push(item)
      if (item === 1) throw new Error('first')
      while (!signal.aborted) await turn()
      for (let turns = 0; turns < 5; turns++) await turn()
      finished++
      if (item === 2) throw new Error('second')
    })
    await expect(work).rejects.toThrow('first')
    expect(begun).toEqual([0, 1, 2])
    expect(finished).toBe(2)
  })

  it('ends with our own error when it is stopped from outside, and closes its source', async () => {
    const stop = new AbortController()
    let closed = false
    async function* endless(): AsyncGenerator<number> {
      try {
        for (let number = 0; ; number++) yield number
      } finally {
        closed = true
      }
    }
    const work = forEachLimited(
      endless(),
      2,
      async (item) => {
        if (item === 10) stop.abort()
        await turn()
      },
      stop.signal,
    )
    await expect(work).rejects.toMatchObject({ kind: 'interrupted', code: 'aborted' })
    expect(closed).toBe(true)
  })

  it('fails with what the source of items throws', async () => {
    async function* broken(): AsyncGenerator<number> {
      yield 1
      throw new Error('no more')
    }
    await expect(forEachLimited(broken(), 2, () => Promise.resolve())).rejects.toThrow('no more')
  })
})

describe('a semaphore', () => {
  it('lets in as many as its limit, in the order they came, also after failures', async () => {
    const semaphore = new Semaphore(2)
    const order: number[] = []
    let running = 0
    let most = 0
    await Promise.allSettled(
      Array.from({ length: 10 }, (_, index) =>
        semaphore.run(async () => {
          order.push(index)
          most = Math.max(most, ++running)
          await turn()
          running--
          if (index % 3 === 0) throw new Error('one of them')
        }),
      ),
    )
    expect(most).toBe(2)
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })
})
