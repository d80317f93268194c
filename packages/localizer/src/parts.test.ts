/** The bytes of a file among several connections: each byte has one bringer, whatever is taken, cut or shared in whichever order. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { blockBytesOf, Parts, type Span } from './parts.ts'

const mebibyte = 2 ** 20

describe('the parts of a file', () => {
  it('are taken in order, on the borders of blocks', () => {
    const parts = new Parts(100, [[10, 100]], 40)
    expect([parts.take(), parts.take(), parts.take(), parts.take()]).toEqual([
      { at: 10, to: 40 },
      { at: 40, to: 80 },
      { at: 80, to: 100 },
      undefined,
    ])
    expect(parts.prefixBytes).toBe(10)
    expect(parts.missing).toEqual([[10, 100]])
  })

  it('go on into the next block while that is nobody\u2019s', () => {
    const parts = new Parts(100, [[0, 100]], 40)
    const first = parts.take()!
    first.at = 40
    expect(parts.extend(first)).toBe(true)
    expect(first).toEqual({ at: 40, to: 80 })
    parts.take()
    first.at = 80
    expect(parts.extend(first)).toBe(false)
  })

  it('are shared at the end: whoever is idle takes half of the longest rest', () => {
    const size = 64 * mebibyte
    const parts = new Parts(size, [[0, size]], size)
    const first = parts.take()!
    first.at = 16 * mebibyte
    const second = parts.take()!
    expect([first.to, second.at, second.to]).toEqual([40 * mebibyte, 40 * mebibyte, size])
    first.at = first.to - mebibyte
    second.at = second.to - mebibyte
    expect(parts.take()).toBeUndefined()
  })

  it('that were given back are missing again', () => {
    const parts = new Parts(100, [[0, 100]], 40)
    const [first, second] = [parts.take()!, parts.take()!]
    first.at = 30
    second.at = 80
    parts.end(first)
    parts.end(second)
    expect(parts.missing).toEqual([
      [30, 40],
      [80, 100],
    ])
    expect(parts.prefixBytes).toBe(30)
    expect(parts.take()).toEqual({ at: 30, to: 40 })
  })

  it('of a file of unknown size are one, and its end tells the size', () => {
    const parts = new Parts(Number.POSITIVE_INFINITY, [[0, Number.POSITIVE_INFINITY]])
    const part = parts.take()!
    part.at = 1234
    expect(parts.take()).toBeUndefined()
    part.to = part.at
    parts.end(part)
    expect(parts.bytes).toBe(1234)
    expect(parts.missing).toEqual([])
  })

  it('bring every byte once, in any order of steps', () => {
    const steps = fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 12 * mebibyte })), { maxLength: 200 })
    fc.assert(
      fc.property(steps, (all) => {
        const size = 100 * mebibyte
        const parts = new Parts(size, [[0, size]], 16 * mebibyte)
        const lanes: (ReturnType<Parts['take']> | undefined)[] = [undefined, undefined, undefined, undefined]
        const brought: Span[] = []
        const move = (lane: number, bytes: number): boolean => {
          const part = lanes[lane]
          if (part === undefined) {
            lanes[lane] = parts.take()
            return lanes[lane] !== undefined
          }
          const to = Math.min(part.to, part.at + bytes)
          if (to > part.at) brought.push([part.at, to])
          part.at = to
          if (part.at === part.to && !(bytes % 2 === 0 && parts.extend(part))) {
            parts.end(part)
            lanes[lane] = undefined
          }
          return true
        }
        for (const [lane, bytes] of all) move(lane, bytes)
        for (let moved = true; moved; ) moved = [0, 1, 2, 3].map((lane) => move(lane, 5 * mebibyte)).some(Boolean)
        brought.sort((a, b) => a[0] - b[0])
        let position = 0
        for (const [from, to] of brought) {
          expect(from).toBe(position)
          position = to
        }
        expect(position).toBe(size)
        expect(parts.missing).toEqual([])
        expect(parts.prefixBytes).toBe(size)
      }),
    )
  })

  it.each([
    [100 * mebibyte, 16 * mebibyte],
    [2 ** 30, 32 * mebibyte],
    [100 * 2 ** 30, 64 * mebibyte],
  ])('of %d bytes have blocks of %d', (size, block) => {
    expect(blockBytesOf(size)).toBe(block)
  })
})
