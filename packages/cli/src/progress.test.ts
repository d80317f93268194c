/** Progress: drawn where it can be, a line now and then elsewhere, silence when asked for. */
import { describe, expect, it } from 'vitest'
import type { Io } from './io.ts'
import { ProgressLine } from './progress.ts'
import { testIo } from './testing/test-io.ts'

/** 100 MiB in ten seconds, told every 50 ms. */
function voyage(given: Partial<Io>, quiet = false) {
  const io = testIo(given)
  const line = new ProgressLine(io, quiet)
  for (let step = 1; step <= 200; step++) {
    io.clock.advance(50)
    line.update({ phase: 'sending', bytes: step * 2 ** 19, bytesTotal: 100 * 2 ** 20 })
  }
  return { io, line }
}

describe('progress', () => {
  it('is a line every five seconds where nothing can be drawn', () => {
    const { io } = voyage({})
    expect(io.err()).toBe('sending 50 MiB of 100 MiB\nsending 100 MiB of 100 MiB, 10 MiB/s\n')
    expect(io.out()).toBe('')
  })

  it('is one line that is drawn over itself on a terminal, never wider than it, and is taken away', () => {
    for (const columns of [20, 80, 200]) {
      const { io, line } = voyage({ stderrIsTerminal: true, columns, env: { NO_COLOR: '1' } })
      const drawn = io.err().split('\r').slice(1)
      expect(drawn.length).toBe(100)
      for (const each of drawn) expect(each.replace('\u001b[K', '').length).toBeLessThan(columns)
      expect(io.err()).not.toContain('\n')
      line.clear()
      expect(io.err().endsWith('\r\u001b[K')).toBe(true)
      const before = io.err()
      line.clear()
      expect(io.err()).toBe(before)
    }
  })

  it('says rate and time left', () => {
    const { io } = voyage({ stderrIsTerminal: true, columns: 100 })
    expect(io.err().split('\r')[50]).toMatch(/^sending 50 MiB of 100 MiB, 10 MiB\/s, 5 s left \[.*#.*\.+\]/)
  })

  it('has colour only where it is welcome', () => {
    const colour = (env: Record<string, string>, stderrIsTerminal = true) =>
      voyage({ stderrIsTerminal, env }).io.err().includes('\u001b[3')
    expect(colour({})).toBe(true)
    expect(colour({ NO_COLOR: '' })).toBe(true)
    expect(colour({ NO_COLOR: '1' })).toBe(false)
    expect(colour({ TERM: 'dumb' })).toBe(false)
    expect(colour({}, false)).toBe(false)
  })

  it('is not there when quiet is asked for', () => {
    const { io, line } = voyage({ stderrIsTerminal: true }, true)
    line.note('something')
    expect(io.err()).toBe('')
  })

  it('makes room for a note', () => {
    const { io, line } = voyage({ stderrIsTerminal: true })
    line.note('the connection was cut')
    expect(io.err().endsWith('\r\u001b[Kthe connection was cut\n')).toBe(true)
  })
})
