/** Whose a pod is: its owner by uid, name or labels, itself or above it, and never by an answer that nobody gave. */
import type { Owner } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApiClient } from './api-client.ts'
import { type BoundPod, createPodLineage, type PodLineage } from './pod-lineage.ts'
import type { ModelObject } from './testing/cluster-model.ts'
import { noEvidence } from './testing/faults.ts'
import { FaultyApiServer } from './testing/faulty-api-server.ts'

const signal = (): AbortSignal => AbortSignal.timeout(10_000)
const namespace = 'spark'

describe('the lineage of a pod', () => {
  let server: FaultyApiServer
  let client: ApiClient
  let lineage: PodLineage
  let nowMs: number

  beforeEach(async () => {
    server = await FaultyApiServer.start()
    client = new ApiClient(server.connection)
    nowMs = 0
    lineage = createPodLineage(client, { now: () => nowMs })
  })
  afterEach(async () => {
    await client.close()
    await server.stop()
  })

  const put = (kind: string, apiVersion: string, name: string, parents: ModelObject[] = [], labels = {}): ModelObject =>
    server.cluster.put({
      apiVersion,
      kind,
      metadata: {
        namespace,
        name,
        labels,
        ownerReferences: parents.map((parent) => ({
          apiVersion: parent.apiVersion,
          kind: parent.kind,
          name: parent.metadata.name,
          uid: parent.metadata.uid,
        })),
      },
    })
  const pod = (name: string, parents: ModelObject[] = [], labels = {}): ModelObject =>
    put('Pod', 'v1', name, parents, labels)
  const bound = ({ metadata }: ModelObject): BoundPod => ({ namespace, name: metadata.name, uid: metadata.uid })
  const owner = (more: Partial<Owner>): Owner => ({ namespace, apiVersion: 'v1', kind: 'Pod', ...more })
  const job = (more: Partial<Owner>): Owner => owner({ apiVersion: 'batch/v1', kind: 'Job', ...more })

  it('leads from the pod itself by uid and by name, without a question', async () => {
    const driver = pod('driver')
    expect(await lineage.belongs(bound(driver), [owner({ uid: driver.metadata.uid })], signal())).toBe(true)
    expect(await lineage.belongs(bound(driver), [owner({ name: 'driver' })], signal())).toBe(true)
    expect(server.requests).toEqual([])
    expect(await lineage.belongs(bound(driver), [owner({ name: 'other' })], signal())).toBe(false)
    // The uid decides: one who took the name is not the owner.
    const gone = owner({ name: 'driver', uid: 'another' })
    expect(await lineage.belongs(bound(driver), [gone], signal())).toBe(false)
  })

  it('leads by the labels that the pod has now, all of them', async () => {
    const driver = pod('driver', [], { app: 'etl', run: '7' })
    expect(await lineage.belongs(bound(driver), [owner({ labels: { app: 'etl', run: '7' } })], signal())).toBe(true)
    expect(await lineage.belongs(bound(driver), [owner({ labels: { app: 'etl', run: '8' } })], signal())).toBe(false)
    const both = owner({ name: 'another', labels: { app: 'etl' } })
    expect(await lineage.belongs(bound(driver), [both], signal())).toBe(false)
    pod('driver', [], { app: 'etl' })
    nowMs = 10_000
    expect(await lineage.belongs(bound(driver), [owner({ labels: { run: '7' } })], signal())).toBe(false)
  })

  it('leads from an executor over its driver to whatever made that', async () => {
    const cron = put('CronJob', 'batch/v1', 'nightly', [], { team: 'a' })
    const made = put('Job', 'batch/v1', 'nightly-1', [cron])
    const driver = pod('driver', [made], { claim: 'x' })
    const executor = bound(pod('exec-1', [driver]))
    for (const one of [
      owner({ name: 'driver' }),
      owner({ uid: driver.metadata.uid }),
      owner({ labels: { claim: 'x' } }),
      job({ name: 'nightly-1' }),
      owner({ apiVersion: 'batch/v1', kind: 'CronJob', name: 'nightly' }),
      owner({ apiVersion: 'batch/v1', kind: 'CronJob', labels: { team: 'a' } }),
      // The version is only how it is asked for.
      owner({ apiVersion: 'batch/v1beta1', kind: 'CronJob', uid: cron.metadata.uid }),
    ]) {
      expect(await lineage.belongs(executor, [owner({ name: 'none' }), one], signal()), JSON.stringify(one)).toBe(true)
    }
    for (const one of [
      job({ name: 'nightly' }),
      owner({ apiVersion: 'apps/v1', kind: 'CronJob', name: 'nightly' }),
      owner({ kind: 'CronJob', name: 'nightly' }),
      owner({ name: 'exec-2' }),
    ]) {
      expect(await lineage.belongs(executor, [one], signal()), JSON.stringify(one)).toBe(false)
    }
  })

  it('never leads into another namespace', async () => {
    const driver = pod('driver')
    const elsewhere: Owner = { ...owner({ name: 'driver' }), namespace: 'other' }
    const same: Owner = { ...owner({ uid: driver.metadata.uid }), namespace: 'other' }
    expect(await lineage.belongs(bound(driver), [elsewhere, same], signal())).toBe(false)
  })

  it('ends where an object is gone or another has its name', async () => {
    const made = put('Job', 'batch/v1', 'etl', [put('CronJob', 'batch/v1', 'nightly')])
    const driver = bound(pod('driver', [made]))
    const cron = owner({ apiVersion: 'batch/v1', kind: 'CronJob', name: 'nightly' })
    server.cluster.remove(made)
    expect(await lineage.belongs(driver, [cron], signal())).toBe(false)
    put('Job', 'batch/v1', 'etl', [server.cluster.find('batch/v1', 'CronJob', namespace, 'nightly')!])
    nowMs = 10_000
    expect(await lineage.belongs(driver, [cron], signal())).toBe(false)
    // Of a pod that was made anew, the token of the old one opens nothing by labels.
    const old = bound(pod('again', [], { a: 'b' }))
    server.cluster.remove(server.cluster.find('v1', 'Pod', namespace, 'again')!)
    pod('again', [], { a: 'b' })
    expect(await lineage.belongs(old, [owner({ labels: { a: 'b' } })], signal())).toBe(false)
  })

  it('ends in a circle, in kinds that own nothing, and after eight objects', async () => {
    const first = pod('a')
    const second = pod('b', [first])
    pod('a', [second])
    expect(await lineage.belongs(bound(first), [owner({ name: 'c' })], signal())).toBe(false)
    const secret = put('Secret', 'v1', 's')
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n', uid: 'n' } } as ModelObject
    expect(await lineage.belongs(bound(pod('d', [secret, node])), [owner({ name: 'c' })], signal())).toBe(false)
    let last = pod('p0')
    for (let number = 1; number <= 12; number++) last = pod(`p${number}`, [last])
    server.requests.length = 0
    expect(await lineage.belongs(bound(last), [owner({ name: 'p0' })], signal())).toBe(false)
    expect(server.requests).toHaveLength(8)
  })

  it('reads metadata only, and only by lists', async () => {
    await lineage.belongs(bound(pod('driver')), [owner({ labels: { a: 'b' } })], signal())
    expect(server.requests).toHaveLength(1)
    expect(server.requests[0]!.path).toBe('/api/v1/namespaces/spark/pods')
    expect(server.requests[0]!.headers.accept).toMatch(/^application\/json;as=PartialObjectMetadataList/)
  })

  it('asks once for many who wait, keeps a yes for ten seconds and a no for one', async () => {
    const driver = pod('driver', [], { a: 'b' })
    const ask = (value: string) => lineage.belongs(bound(driver), [owner({ labels: { a: value } })], signal())
    expect(await Promise.all(Array.from({ length: 20 }, () => ask('b')))).toEqual(Array(20).fill(true))
    nowMs = 9_999
    await ask('b')
    expect(server.requests).toHaveLength(1)
    nowMs = 10_000
    await ask('b')
    expect([await ask('c'), server.requests.length]).toEqual([false, 3])
    nowMs = 10_999
    await ask('c')
    expect(server.requests).toHaveLength(3)
    nowMs = 11_000
    await ask('c')
    expect(server.requests).toHaveLength(4)
  })

  const failures = noEvidence.filter(
    ({ name, fault }) =>
      'answer' in fault || 'cutAfter' in fault || 'stall' in fault || name.startsWith('200 with an empty'),
  )
  it.each(failures)('is unknown, never a yes or a no, when the API server answers: $name', async ({ fault }) => {
    const made = put('Job', 'batch/v1', 'etl', [], { a: 'b' })
    const driver = bound(pod('driver', [made]))
    // Only silence needs an end soon; a short deadline elsewhere would fail on a busy machine.
    const asking = 'stall' in fault ? createPodLineage(client, { deadlineMs: 200 }) : lineage
    for (let after = 0; after < 2; after++) {
      server.heal()
      server.fault({ when: () => true, fault, after })
      const asked = asking.belongs(driver, [job({ labels: { a: 'b' } })], signal())
      await expect(asked).rejects.toMatchObject({ kind: 'unavailable', code: 'pod-unknown' })
    }
    server.heal()
    expect(await lineage.belongs(driver, [job({ labels: { a: 'b' } })], signal())).toBe(true)
  })

  it('says which right is missing when it may not list', async () => {
    server.rules.forbids = () => true
    const asked = lineage.belongs(bound(pod('driver')), [owner({ labels: { a: 'b' } })], signal())
    await expect(asked).rejects.toMatchObject({ kind: 'unavailable', hint: expect.stringContaining('right to list') })
  })
})
