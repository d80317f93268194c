/** Odd owners at a real server over a real cluster: what each gets, as the documents say. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiClient, kubeConfigConnection } from '@supercargo/kube'
import {
  type ContractCluster,
  contractApiVersion,
  contractCluster,
  FaultyApiServer,
  type NewOwner,
} from '@supercargo/kube/testing'
import type { Owner } from '@supercargo/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWith, type OwnInstance, ownInstance, provisionTimeoutMs } from '../running.ts'
import { realUpstream } from './real-upstream.ts'
import { fatalSweeps, StagingInCluster } from './staging-in-cluster.ts'

const policies = [
  { namespace: 'finishing', releaseAfter: 'completion' },
  { kind: 'CronJob', keepLast: 2 },
]

describeWith(['kubernetes'], 'an owner', () => {
  const directory = mkdtempSync(join(tmpdir(), 'supercargo-owners-'))
  let instance: OwnInstance<'kubernetes'>
  let client: ApiClient
  let cluster: ContractCluster
  let upstream: ReturnType<typeof realUpstream>
  let proxy: FaultyApiServer
  let staging: StagingInCluster

  beforeAll(async () => {
    instance = await ownInstance('kubernetes')
    client = new ApiClient((await kubeConfigConnection({ kubeconfig: instance.details.kubeconfig, environment: {} }))!)
    cluster = contractCluster(client)
    upstream = realUpstream(instance.details.kubeconfig)
    proxy = await FaultyApiServer.start({ upstream: upstream.ask })
    for (const namespace of ['spark', 'finishing']) await cluster.createNamespace(namespace)
    staging = await start(directory, { policies: JSON.stringify(policies) })
  }, provisionTimeoutMs)

  const start = (where: string, more: Parameters<typeof StagingInCluster.start>[2]) =>
    StagingInCluster.start(where, proxy.connection.server.href, more)

  afterAll(async () => {
    await staging?.stop()
    await client?.close()
    upstream?.close()
    await proxy?.stop()
    await instance?.stop()
    rmSync(directory, { recursive: true })
  })

  const object = (name: string, more: Partial<NewOwner> = {}): NewOwner => {
    return { apiVersion: 'v1', kind: 'Pod', namespace: 'spark', name, ...more }
  }
  const named = ({ apiVersion, kind, namespace, name }: NewOwner): Owner => ({ apiVersion, kind, namespace, name })

  it.each([
    ['without name, uid and labels', { namespace: 'spark', kind: 'Pod' }, 'would match'],
    ['with empty labels', { namespace: 'spark', kind: 'Pod', labels: {} }, 'would match'],
    ['with a label that is none', { namespace: 'spark', kind: 'Pod', labels: { 'a b': 'c' } }, 'label'],
    ['with a value that is none', { namespace: 'spark', kind: 'Pod', labels: { a: 'b c' } }, 'label value'],
    [
      'of a known kind in another group',
      { namespace: 'spark', apiVersion: 'apps/v1', kind: 'Job', name: 'a' },
      'batch/v1',
    ],
    ['in a namespace that cannot be one', { namespace: 'No_Such', kind: 'Pod', name: 'a' }, 'namespace'],
  ])('%s is refused when it is staged', async (_, owner, says) => {
    await expect(staging.stage(owner as Owner)).rejects.toThrow(new RegExp(`400.*${says}`, 's'))
  })

  it.each([
    [
      'of a kind that nobody serves',
      { apiVersion: 'nobody.example/v1', kind: 'Thing', name: 'x' },
      'kube-type-not-found',
    ],
    ['of a cluster-scoped kind', { apiVersion: 'v1', kind: 'Node', name: 'x' }, 'kube-kind-cluster-scoped'],
    ['whose kind is a secret to list', { apiVersion: 'v1', kind: 'Secret', name: 'x' }, 'kube-kind-refused'],
  ])('%s is never gone, and the reason is counted', async (_, owner, code) => {
    const held = await staging.stage({ namespace: 'spark', ...owner })
    await staging.sweeps(fatalSweeps)
    expect(await staging.explain(held)).toMatchObject({ state: 'unused', verdict: 'keep' })
    expect((await staging.status()).unknownOwners[code]).toBeGreaterThan(0)
  })

  it('in a namespace that does not exist is absent: nobody used it, so it goes', async () => {
    const held = await staging.stage(named(object('x', { namespace: 'nowhere' })))
    await staging.until(held, 'gone')
  })

  it('of a namespace that may not be listed is unknown, and others are not affected', async () => {
    const body = JSON.stringify({ kind: 'Status', status: 'Failure', reason: 'Forbidden', message: 'no', code: 403 })
    const headers = { 'content-type': 'application/json' }
    proxy.fault({
      fault: { answer: { status: 403, headers, body } },
      when: ({ path }) => path.includes('/namespaces/hidden/'),
    })
    const hidden = await staging.stage(named(object('x', { namespace: 'hidden' })))
    const open = await staging.stage(named(object('not-there')))
    await staging.until(open, 'gone')
    await staging.sweeps(fatalSweeps)
    expect(await staging.explain(hidden)).toMatchObject({ verdict: 'keep' })
    expect((await staging.status()).unknownOwners['kube-forbidden']).toBe(1)
    proxy.heal()
    await staging.until(hidden, 'gone')
  })

  it('that comes back under its name keeps by name, and is another by uid', async () => {
    const owner = object('again')
    const uid = await cluster.create(owner)
    const byName = await staging.stage(named(owner))
    const { name: _, ...rest } = named(owner)
    const byUid = await staging.stage({ ...rest, uid })
    for (const held of [byName, byUid]) await staging.until(held, 'bound')
    await cluster.remove(owner)
    await cluster.create(owner)
    await staging.until(byUid, 'gone')
    expect(await staging.explain(byName)).toMatchObject({ state: 'bound' })
  })

  it('whose definition is deleted is unknown from then on, so its resource stays', async () => {
    await cluster.defineKind('Voyage', 'Namespaced')
    const owner = object('it', { apiVersion: contractApiVersion, kind: 'Voyage' })
    await cluster.create(owner)
    const held = await staging.stage(named(owner))
    await staging.until(held, 'bound')
    // At once: the few seconds in which the kind is served and empty would count as absence, rightly.
    proxy.fault({
      fault: { answer: { status: 404, headers: { 'content-type': 'text/plain' }, body: '404 page not found\n' } },
      when: ({ path }) => path.includes('contract.supercargo.io'),
    })
    await cluster.removeKind('Voyage')
    await staging.sweeps(fatalSweeps)
    expect(await staging.explain(held)).toMatchObject({ verdict: 'keep' })
    expect((await staging.status()).unknownOwners['kube-type-not-found']).toBeGreaterThan(0)
    proxy.heal()
  })

  it('that is gone leaves a resource that a fetch keeps for another while', async () => {
    const elsewhere = mkdtempSync(join(directory, 'patient-'))
    const patient = await start(elsewhere, { condemned: 3_600_000 })
    const owner = object('fetched')
    await cluster.create(owner)
    const held = await patient.stage(named(owner))
    await patient.until(held, 'bound')
    await cluster.remove(owner)
    await patient.until(held, 'condemned')
    expect(await patient.fetchBytes(held)).toBe(200)
    await patient.sweeps(fatalSweeps)
    expect((await patient.status()).totals.nearMisses).toBe(1)
    // Fetches in the next minute are not noted, so it is not condemned again before.
    expect(await patient.explain(held)).toMatchObject({ state: 'missing' })
    await patient.stop()
  })

  it('that is finished lets go where the policy says so', async () => {
    const owner = object('driver', { namespace: 'finishing' })
    const path = '/api/v1/namespaces/finishing/pods/driver/status'
    await cluster.create(owner)
    const job = object('etl', { namespace: 'finishing', apiVersion: 'batch/v1', kind: 'Job' })
    await cluster.create(job)
    const [pod, batch] = [await staging.stage(named(owner)), await staging.stage(named(job))]
    for (const held of [pod, batch]) await staging.until(held, 'bound')
    const contentType = 'application/merge-patch+json'
    const change = { what: 'finish it', method: 'PATCH', contentType } as const
    await client.request({ ...change, path, body: { status: { phase: 'Succeeded' } } }, AbortSignal.timeout(10_000))
    await staging.until(pod, 'gone')
    expect(await staging.explain(batch)).toMatchObject({ state: 'bound' })
  })

  it('that is a schedule keeps the last of its resources', async () => {
    const schedule = object('nightly', { apiVersion: 'batch/v1', kind: 'CronJob' })
    await cluster.create(schedule)
    const runs = []
    for (let n = 0; n < 4; n++) {
      runs.push(await staging.stage(named(schedule)))
      await staging.sweeps(1)
    }
    await staging.until(runs[0]!, 'gone')
    await staging.until(runs[1]!, 'gone')
    for (const run of runs.slice(2)) expect(await staging.explain(run)).toMatchObject({ state: 'bound' })
  })
})
