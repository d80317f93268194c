/** Thousands of items use no more connections than the plan allows, and say one line each run, not each item. */
import { describe, expect, it } from 'vitest'
import { scriptedServer } from './testing/scripted-server.ts'
import { workbench } from './testing/workbench.ts'

describe('a plan of thousands of items (case 13)', () => {
  it('is carried out with few connections and few words', async () => {
    await using bench = await workbench()
    let open = 0
    let most = 0
    const sockets = new Set<unknown>()
    await using server = await scriptedServer((request, response) => {
      sockets.add(request.socket)
      most = Math.max(most, ++open)
      response.on('close', () => {
        open--
      })
      response.end(request.url)
    })
    const lines: string[] = []
    const items = Array.from({ length: 3000 }, (_, index) => ({
      uri: server.url(`/${index}`),
      to: `d${index % 50}/${index}`,
    }))
    const report = await bench.run(items, { limits: { concurrencyMax: 4 } }, { log: (line) => lines.push(line) })
    expect(report.totals).toMatchObject({ files: 3000, fetchedItems: 3000 })
    expect(most).toBeLessThanOrEqual(4)
    expect(sockets.size).toBeLessThan(40)
    expect(lines.length).toBeLessThan(5)
    const files = await bench.files()
    expect(Object.keys(files).length).toBe(3000)
    expect(files['d7/2957']).toBe('/2957')
  })
})
