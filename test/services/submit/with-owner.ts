/** What becomes of a staged resource on a server that collects: it stays while its owner is there, and goes when that is gone. */
import type { StagingClient } from '@supercargo/client'
import { expect } from 'vitest'
import { until } from '../until.ts'

const sweepsWatched = 3
const timeoutMs = 180_000
const intervalMs = 300

/** `remove` deletes the owner of this kind and name, which may have ended long ago. */
export async function staysUntilGone(
  client: StagingClient,
  owner: { readonly namespace: string; readonly kind: string; readonly name: string },
  remove: () => Promise<unknown>,
): Promise<void> {
  const said = `${owner.kind} ${owner.namespace}/${owner.name}`
  const held = async (): Promise<string[]> => {
    const { resources } = await client.list({ namespace: owner.namespace })
    const isHeld = (each: { kind: string; name?: string | undefined }) =>
      each.kind === owner.kind && each.name === owner.name
    return resources.filter((resource) => resource.owner.some(isHeld)).map(({ resourceId }) => resourceId)
  }
  const before = await held()
  expect(before, `of ${said}`).not.toEqual([])
  await sweeps(client)
  expect(await held(), `of ${said}, which is there`).toEqual(before)
  await remove()
  await until(`the files of ${said} to go`, async () => (await held()).length === 0, { timeoutMs, intervalMs })
}

/** Waits until whole sweeps, begun from now on, have ended. */
async function sweeps(client: StagingClient): Promise<void> {
  const seen = new Set<string | undefined>()
  const enough = async (): Promise<boolean> =>
    seen.add((await client.collectorStatus()).lastSweep?.startedAt).size > sweepsWatched
  await until('the next sweeps', enough, { timeoutMs, intervalMs })
}
