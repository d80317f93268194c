/** A wall clock that jumps decides nothing: neither deadlines, nor waits, nor what is in place. */
import { type Clock, systemClock } from '@supercargo/transfer'
import { describe, expect, it } from 'vitest'
import { scriptedServer, serve } from './testing/scripted-server.ts'
import { bytesOf, workbench } from './testing/workbench.ts'

const year = 365 * 24 * 3_600_000

describe('a wall clock that jumps by years with every look (case 129)', () => {
  it('ends no run before its deadline, and makes nothing old', async () => {
    await using bench = await workbench()
    let looks = 0
    const jumping: Clock = { ...systemClock, now: () => Date.now() + (looks++ % 2 === 0 ? 20 : -20) * year }
    await using server = await scriptedServer((request, response, number) => {
      if (number % 2 === 1) response.writeHead(503).end()
      else serve(request, response, bytesOf(1000), { etag: '"1"' })
    })
    const items = ['a', 'b'].map((to) => ({ uri: server.url(`/${to}`), to }))
    const limits = { deadlineMs: 30_000, concurrencyMax: 1 }
    const first = await bench.run(items, { limits }, { clock: jumping })
    expect(first.totals).toMatchObject({ files: 2, fetchedItems: 2 })
    expect(first.totals.elapsedMs).toBeLessThan(30_000)
    expect(first.totals.elapsedMs).toBeGreaterThanOrEqual(0)
    const seen = server.requests.length
    expect((await bench.run(items, { limits }, { clock: jumping })).totals).toMatchObject({ fetchedItems: 0 })
    expect(server.requests.length).toBe(seen)
  })
})
