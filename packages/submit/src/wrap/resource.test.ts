/** What a command outside the cluster has staged is asked for as long as the command runs. */
import { Secret } from '@supercargo/protocol'
import { ManualClock } from '@supercargo/transfer'
import { expect, it, vi } from 'vitest'
import { keep } from './resource.ts'

it('files that no pod keeps are fetched again and again, failures included, and no more when the command has ended', async () => {
  const clock = new ManualClock()
  const ended = new AbortController()
  const asked: string[] = []
  let closed = 0
  const staging = {
    openFile: async ({ path }: { path: string }) => {
      asked.push(path)
      if (asked.length === 2) throw new Error('the server restarts')
      return { stream: { destroy: () => closed++ } }
    },
  }
  const command = { plan: { staged: [{ path: '/here/a.jar', as: 'spark-jars/a.jar' }] } }
  const request = { command, staging, clock } as never
  const kept = keep(request, { resourceId: 'a'.repeat(26), secret: new Secret('test') }, ended.signal)
  for (let round = 1; round <= 3; round++) {
    await vi.waitFor(() => expect(clock.sleeping).toBe(1))
    clock.advance(300_000)
    await vi.waitFor(() => expect(asked.length).toBe(round))
  }
  await vi.waitFor(() => expect(clock.sleeping).toBe(1))
  expect([asked[0], closed]).toEqual(['spark-jars/a.jar', 2])
  ended.abort()
  await kept
})
