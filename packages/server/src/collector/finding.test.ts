/** A file whose user is not known is kept by its own age, one whose reader was found by its owner, and `explain` says which. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CommitNotes, ResourceRecord } from '../store/store.ts'
import { content, podOwner, writeAll } from '../testing/staging.ts'
import { firstUseTimeoutMs, intervalMs, needed, SweeperBench } from '../testing/sweeper-bench.ts'

let bench: SweeperBench
beforeEach(async () => {
  bench = await SweeperBench.make()
  await bench.start()
})
afterEach(() => bench.clear())

const maxAgeMs = 3 * firstUseTimeoutMs
const claim = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', labels: { 'supercargo.io/claim': 'etl' } }

async function uploaded(notes: CommitNotes): Promise<ResourceRecord> {
  const intake = await bench.store.intake(undefined)
  const writer = await intake.file('a', undefined)
  await writeAll(writer, content(10))
  await writer.commit()
  return intake.commit([claim], 'webhdfs', notes)
}

async function explained(id: string): Promise<string> {
  await bench.events
  return bench.sweeper.explain(id)?.evidence.join('; ') ?? 'gone'
}

describe('a file that came by WebHDFS', () => {
  it('is kept for its own age where nobody is known to use it, and not longer', async () => {
    const record = await uploaded({ maxAgeMs })
    expect((await bench.sweeps(needed)).report.collected).toBe(0)
    bench.clock.advance(intervalMs)
    expect(await explained(record.id)).toContain('nobody is known to use it, so its age decides')
    expect((await bench.sweeps(maxAgeMs / intervalMs - needed)).report.collected).toBe(0)
    bench.clock.advance(intervalMs)
    expect((await bench.sweeps(1)).report.collected).toBe(1)
    expect(await explained(record.id)).toBe('gone')
  })

  it('is its reader’s once that is found, by the rules for every owner', async () => {
    const record = await uploaded({ maxAgeMs })
    await bench.sweeps(2)
    await bench.store.update(record.id, ({ maxAgeMs: _, ...rest }) => ({
      ...rest,
      owners: [{ ...podOwner('spark', 'driver'), uid: 'u1' }],
    }))
    expect(await explained(record.id)).toContain('its owner is the driver that read it')
    bench.clock.advance(intervalMs)
    expect((await bench.sweeps(needed - 1)).report.collected).toBe(0)
    bench.clock.advance(intervalMs)
    expect((await bench.sweeps(1)).report.collected).toBe(1)
  })

  it('says so when its path names a claim', async () => {
    const record = await uploaded({})
    await bench.sweeps(1)
    expect(await explained(record.id)).toContain('named by the claim in its path')
  })
})
