/** Two sweepers of one store that take turns by a Lease of a real cluster: one at a time, none for ever, and none too late. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiClient, acquireLease, createClusterOwnerLookup, kubeConfigConnection } from '@supercargo/kube'
import { type ContractCluster, contractCluster, FaultyApiServer, type NewOwner } from '@supercargo/kube/testing'
import type { Owner } from '@supercargo/protocol'
import { systemClock } from '@supercargo/transfer'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Sweeper } from '../../../packages/server/src/collector/sweeper.ts'
import type { TakeTurn, Turn } from '../../../packages/server/src/collector/turn.ts'
import { createDiskStore, type DiskStore } from '../../../packages/server/src/store/disk-store.ts'
import { diskSurvey } from '../../../packages/server/src/store/disk-survey.ts'
import type { ResourceRecord } from '../../../packages/server/src/store/store.ts'
import { noLimits, stage } from '../../../packages/server/src/testing/staging.ts'
import { remote, settings } from '../../../packages/server/src/testing/sweeper-bench.ts'
import { describeWith, type OwnInstance, ownInstance, provisionTimeoutMs } from '../running.ts'
import { until } from '../until.ts'
import { realUpstream } from './real-upstream.ts'

const short = { ...settings, intervalMs: 100, absentGraceMs: 200, condemnedMs: 300, firstUseTimeoutMs: 600 }
const lease = { namespace: 'replicas', name: 'sweeper', durationMs: 3000, renewDeadlineMs: 2000, retryMs: 200 }
const patience = { timeoutMs: 60_000 }

interface Replica {
  readonly sweeper: Sweeper
  readonly log: { readonly message: string; readonly fields: Readonly<Record<string, unknown>> }[]
}

describeWith(['kubernetes'], 'replicas of one store', () => {
  const directory = mkdtempSync(join(tmpdir(), 'supercargo-replicas-'))
  const replicas: Replica[] = []
  let instance: OwnInstance<'kubernetes'>
  let client: ApiClient
  let behindProxy: ApiClient
  let cluster: ContractCluster
  let upstream: ReturnType<typeof realUpstream>
  let proxy: FaultyApiServer
  let store: DiskStore
  let living: ResourceRecord

  beforeAll(async () => {
    instance = await ownInstance('kubernetes')
    client = new ApiClient((await kubeConfigConnection({ kubeconfig: instance.details.kubeconfig, environment: {} }))!)
    upstream = realUpstream(instance.details.kubeconfig)
    proxy = await FaultyApiServer.start({ upstream: upstream.ask })
    behindProxy = new ApiClient(proxy.connection)
    cluster = contractCluster(client)
    await cluster.createNamespace('replicas')
    await cluster.create(pod('alive'))
    const onEvent = (event: Parameters<Sweeper['apply']>[0][number]) => {
      for (const { sweeper } of replicas) void sweeper.apply([event])
    }
    store = await createDiskStore({ directory, limits: noLimits, clock: systemClock, onEvent })
    living = await stage(store, { a: Buffer.from('a') }, named('alive'))
  }, provisionTimeoutMs)

  afterAll(async () => {
    proxy?.heal()
    await Promise.all(replicas.map(({ sweeper }) => sweeper.stop()))
    await store?.close()
    await client?.close()
    await behindProxy?.close()
    upstream?.close()
    await proxy?.stop()
    await instance?.stop()
    rmSync(directory, { recursive: true })
  })

  const named = (name: string): Owner => ({ apiVersion: 'v1', kind: 'Pod', namespace: 'replicas', name })
  const pod = (name: string): NewOwner => ({ apiVersion: 'v1', kind: 'Pod', namespace: 'replicas', name })
  const sweeping = ({ sweeper }: Replica): boolean => sweeper.status().sweeping
  const collectedBy = ({ log }: Replica): unknown[] =>
    log.filter(({ message }) => message === 'resource collected').map(({ fields }) => fields.resourceId)

  async function enter(
    api: ApiClient,
    identity: string,
    wrap: (turn: Turn) => Turn = (turn) => turn,
  ): Promise<Replica> {
    const takeTurn: TakeTurn = async (epochAbove, signal) =>
      wrap(await acquireLease(api, { ...lease, identity, epochAbove }, signal))
    const log: Replica['log'] = []
    const sweeper = new Sweeper({
      ...{
        ...short,
        stored: diskSurvey(directory),
        lookup: createClusterOwnerLookup(api),
        hasCluster: true,
        maintenance: remote(store),
      },
      ...{ clock: systemClock, takeTurn, log: (_, message, fields) => log.push({ message, fields }) },
    })
    const replica = { sweeper, log }
    replicas.push(replica)
    await sweeper.start(store.maintenance.sequence(), store.maintenance.uploads())
    return replica
  }

  /** Staged, seen, and its owner gone again. */
  async function orphan(name: string, by: Replica): Promise<ResourceRecord> {
    await cluster.create(pod(name))
    const record = await stage(store, { [name]: Buffer.from(name) }, named(name))
    await until('it is seen', async () => by.sweeper.explain(record.id)?.state === 'bound', patience)
    await cluster.remove(pod(name))
    return record
  }

  const gone = (record: ResourceRecord) =>
    until('it is collected', async () => (await store.read(record.id)) === undefined, patience)

  it('sweep one at a time; who loses the lease stops, and the other goes on with what was remembered', async () => {
    const first = await enter(behindProxy, 'first')
    await until('the first turn', async () => sweeping(first), patience)
    const second = await enter(client, 'second')
    const early = await orphan('early', first)
    await gone(early)
    // The record is gone a moment before its collector says so.
    await expect.poll(() => [collectedBy(first), collectedBy(second)]).toEqual([[early.id], []])
    await expect(second.sweeper.sweepNow()).rejects.toMatchObject({ code: 'not-the-sweeper' })
    const late = await orphan('late', first)
    proxy.fault({ fault: { stall: true }, when: () => true })
    await until('the second turn', async () => sweeping(second), patience)
    expect(sweeping(first)).toBe(false)
    await gone(late)
    await expect.poll(() => [collectedBy(first), collectedBy(second)]).toEqual([[early.id], [late.id]])
    expect(second.sweeper.status().lastSweep!.epoch).toBeGreaterThan(first.sweeper.status().lastSweep!.epoch)
    // It was seen by the first alone: the second knows it from the store.
    expect(second.sweeper.explain(living.id)).toMatchObject({ state: 'bound' })
    proxy.heal()
    await second.sweeper.stop()
    await until('the first again', async () => sweeping(first), patience)
    await first.sweeper.stop()
  })

  it('the store refuses a sweeper that was stopped and believes that it still has the turn', async () => {
    replicas.length = 0
    // As after SIGSTOP: it has not heard that its lease ended, and asks nobody.
    const deaf = (turn: Turn): Turn => ({ ...turn, ended: new AbortController().signal, assertHeld: () => undefined })
    const late = await enter(behindProxy, 'deaf', deaf)
    await until('its turn', async () => sweeping(late), patience)
    // Only its lease is cut off: its lists go on, and tell it that the owner is gone.
    proxy.fault({ fault: { stall: true }, when: ({ path }) => path.includes('/leases/') })
    const next = await enter(client, 'next')
    await until('the next turn', async () => sweeping(next), patience)
    const contested = await orphan('contested', next)
    await gone(contested)
    // It goes on sweeping and concludes the same, but the store takes nothing from it any more.
    const refused = async () => late.log.some(({ fields }) => JSON.stringify(fields).includes('to sweep is over'))
    await until('a refusal', refused, patience)
    await expect.poll(() => [collectedBy(next), collectedBy(late)]).toEqual([[contested.id], []])
    expect(await store.read(living.id)).toEqual(living)
  })
})
