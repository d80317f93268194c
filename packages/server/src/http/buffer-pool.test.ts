/** The memory of downloads is bounded, and a buffer has one reader at a time. */
import { describe, expect, it } from 'vitest'
import { createBufferPool } from './buffer-pool.ts'

const mebibyte = 1 << 20

describe('the buffers of downloads', () => {
  it('are large for few, smaller for many, and bounded in all', () => {
    const pool = createBufferPool()
    const pairs = Array.from({ length: 200 }, () => pool.take(10 * mebibyte))
    const sizes = pairs.map((pair) => pair.buffers[0].length)
    expect(sizes.slice(0, 8).every((size) => size === mebibyte)).toBe(true)
    expect(sizes.slice(8, 32).every((size) => size === mebibyte / 4)).toBe(true)
    expect(sizes.slice(32).every((size) => size === mebibyte / 16)).toBe(true)
    expect(2 * sizes.slice(0, 32).reduce((sum, size) => sum + size)).toBe(28 * mebibyte)
    expect(pool.active).toBe(200)
  })

  it('are no larger than a small file needs', () => {
    expect(createBufferPool().take(1000).buffers[0].length).toBe(65_536)
    expect(createBufferPool().take(65_537).buffers[0].length).toBe(262_144)
  })

  it('are used again, once nobody reads them any more', async () => {
    const pool = createBufferPool()
    const first = pool.take(mebibyte)
    const reading = Promise.withResolvers<void>()
    first.release(reading.promise)
    expect(pool.active).toBe(0)
    const second = pool.take(mebibyte)
    expect(second.buffers).not.toContain(first.buffers[0])
    reading.resolve()
    await reading.promise
    expect(new Set(pool.take(mebibyte).buffers)).toEqual(new Set(first.buffers))
  })

  it('are given back once, however often that is said', async () => {
    const pool = createBufferPool()
    const pair = pool.take(1)
    pair.release(Promise.resolve())
    pair.release(Promise.resolve())
    await Promise.resolve()
    expect(pool.active).toBe(0)
    const [one, two] = [pool.take(1), pool.take(1)]
    expect(new Set([...one.buffers, ...two.buffers]).size).toBe(4)
  })
})
