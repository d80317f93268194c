/** Commits run beside the stream, a few at a time, and the first failure is the one reported. */
import { describe, expect, it } from 'vitest'
import { createCommitQueue } from './commit-queue.ts'

describe('commits beside the stream', () => {
  it('let the stream go on until 16 are running, then until one is done', async () => {
    const queue = createCommitQueue()
    const commits = Array.from({ length: 17 }, () => Promise.withResolvers<void>())
    for (const { promise } of commits.slice(0, 15)) expect(queue.add(promise)).toBeUndefined()
    const wait = queue.add(commits[15]!.promise)
    expect(wait).toBeInstanceOf(Promise)
    commits[3]!.resolve()
    await wait
    expect(queue.add(commits[16]!.promise)).toBeInstanceOf(Promise)
    for (const { resolve } of commits) resolve()
    await queue.settle()
  })

  it('report the first failure, to the stream and at the end, after all have ended', async () => {
    const queue = createCommitQueue()
    const late = Promise.withResolvers<void>()
    let ended = false
    queue.add(
      late.promise.then(() => {
        ended = true
      }),
    )
    queue.add(Promise.reject(new Error('first')))
    await new Promise((resolve) => setImmediate(resolve))
    await expect(queue.add(Promise.reject(new Error('second')))).rejects.toThrow('first')
    const settled = queue.settle()
    late.resolve()
    await expect(settled).rejects.toThrow('first')
    expect(ended).toBe(true)
  })
})
