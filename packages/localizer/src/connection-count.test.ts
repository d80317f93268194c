/** When a second connection is worth it, decided from rates alone. */
import { describe, expect, it } from 'vitest'
import { ConnectionCount, quickBytesPerSecond } from './connection-count.ts'

/** The answers of some seconds, one every 50 ms, in which `rateOf` bytes a second come by one connection or by several. */
function decisions(seconds: number, rateOf: (several: boolean) => number): boolean[] {
  const count = new ConnectionCount()
  const said: boolean[] = []
  let bytes = 0
  for (let now = 0; now <= seconds * 1000; now += 50) {
    said.push(count.observe(Math.round(bytes), now))
    bytes += rateOf(said.at(-1)!) / 20
  }
  return said
}

describe('the number of connections', () => {
  it('stays one where one is quick', () => {
    expect(decisions(5, () => quickBytesPerSecond * 1.2)).not.toContain(true)
  })

  it('grows within a quarter of a second where each connection is the limit, and stays', () => {
    const said = decisions(5, (several) => (several ? 80e6 : 20e6))
    expect(said.slice(6)).not.toContain(false)
  })

  it('falls back where several bring no more than one, and is tried again later', () => {
    const said = decisions(15, () => 20e6)
    const tried = said.filter(Boolean).length * 50
    expect(tried).toBeGreaterThan(500)
    expect(tried).toBeLessThan(2000)
    expect(said.slice(20, 200)).not.toContain(true)
    expect(said.slice(200)).toContain(true)
  })

  it('grows when a connection that was quick becomes slow', () => {
    let elapsed = 0
    const said = decisions(3, (several) => (elapsed++ < 20 ? 200e6 : several ? 80e6 : 10e6))
    expect(said.slice(0, 20)).not.toContain(true)
    expect(said.at(-1)).toBe(true)
  })

  it('is one until the first byte', () => {
    expect(decisions(3, () => 0)).not.toContain(true)
  })
})
