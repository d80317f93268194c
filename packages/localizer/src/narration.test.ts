/** What the command says: a line every few seconds also while nothing moves, and one at the end. */
import { ManualClock } from '@supercargo/transfer'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { startProgressLines, summary } from './narration.ts'
import { Progress, type ProgressState, progressLine } from './progress.ts'
import type { Report } from './report.ts'

describe('progress lines', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('come every few seconds, whether anything moves or not, and end', () => {
    const clock = new ManualClock()
    const said: string[] = []
    const lines = startProgressLines(clock, (line) => said.push(line))
    const pass = (ms: number) => {
      clock.advance(ms)
      vi.advanceTimersByTime(ms)
    }
    pass(4_999)
    expect(said).toEqual([])
    pass(1)
    for (let count = 0; count < 5000; count++)
      lines.update({ files: count, filesTotal: 5000, bytes: 1 << 20, bytesTotal: 4 << 20 })
    pass(5_000)
    pass(5_000)
    lines.stop()
    pass(60_000)
    expect(said).toEqual([
      'waiting for the first byte since 5 s',
      '4999 of 5000 files, 1 MiB of 4 MiB in 10 s, 102 KiB/s',
      '4999 of 5000 files, 1 MiB of 4 MiB in 15 s, 68 KiB/s',
    ])
  })

  it.each([
    [{ files: 0, filesTotal: 1, bytes: 0, bytesTotal: 0 }, '0 of 1 files, 0 B in 2 s, 0 B/s'],
    [{ files: 1, filesTotal: 2, bytes: 2048, bytesTotal: 1024 }, '1 of 2 files, 2 KiB of 2 KiB in 2 s, 1 KiB/s'],
  ] as [ProgressState, string][])('%j', (state, line) => {
    expect(progressLine(state, 2000)).toBe(line)
  })
})

describe('unfinished items', () => {
  it('are named, the first five, with what they wait for', () => {
    const progress = new Progress()
    for (let index = 0; index < 9; index++) progress.expect(100)
    for (let index = 0; index < 7; index++) progress.begin(`f${index}`, 100, true)
    progress.at('f0', 50)
    progress.failed('f0', 'refused')
    progress.failed('f1', 'refused')
    progress.failed('f1', 'cut')
    progress.done('f2')
    expect(progress.describeUnfinished()).toBe(
      'f0: 50 B of 100 B, 1 failure, last: refused; f1: 0 B of 100 B, 2 failures, last: cut; f3: 0 B of 100 B; f4: 0 B of 100 B; f5: 0 B of 100 B; 3 more',
    )
  })
})

describe('the last line', () => {
  const of = (totals: Partial<Report['totals']>) =>
    summary({
      version: 1,
      ok: true,
      roots: [],
      totals: { files: 2, bytes: 4096, fetchedItems: 2, fetchedBytes: 4096, removed: 0, elapsedMs: 2000, ...totals },
    })

  it('tells what was fetched, removed, or in place', () => {
    expect(of({})).toBe('localized 2 files, 4 KiB in 2 s (fetched 4 KiB, 2 KiB/s)')
    expect(of({ removed: 3 })).toBe(
      'localized 2 files, 4 KiB in 2 s (fetched 4 KiB, 2 KiB/s, 3 of an older set removed)',
    )
    expect(of({ fetchedItems: 0, fetchedBytes: 0, elapsedMs: 3 })).toBe(
      'everything is in place: 2 files, 4 KiB, nothing was fetched (3 ms)',
    )
  })
})
