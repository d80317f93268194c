/** What a submission leaves in a real API server: when it works, and when the n-th call fails. */
import { SupercargoError } from '@supercargo/protocol'
import { apply, gateName, removeLeftovers, submissionLabel } from '@supercargo/submit'
import { beforeAll, expect, it } from 'vitest'
import type { ServiceDetails } from '../catalog.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { until } from '../until.ts'
import { type TestNamespace, testNamespace } from './namespace.ts'
import { CountingClient, smallApplication } from './rendered.ts'

const signal = (): AbortSignal => AbortSignal.timeout(30_000)
/** What no pod of these owns. */
async function strangers(place: TestNamespace, uids: readonly string[]): Promise<string[]> {
  const objects = (await place.contents()).filter(({ kind }) => kind !== 'Pod')
  return objects
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uids.includes(uid)) !== true)
    .map(({ kind, metadata }) => `${kind}/${metadata.name}`)
}

const nothingLeft = (place: TestNamespace) =>
  until('the namespace to be empty', async () => (await place.contents()).length === 0, { timeoutMs: 60_000 })

describeWith(['kubernetes'], 'a submission', () => {
  let cluster: ServiceDetails<'kubernetes'>

  beforeAll(async () => {
    cluster = await running('kubernetes')
  }, provisionTimeoutMs)

  it('creates the driver behind a gate, then what it owns, then opens the gate', async () => {
    await using place = await testNamespace(cluster)
    const { application, rendered } = await smallApplication(place.name)
    const seen: string[] = []
    const client = new CountingClient(
      place.connection,
      (_, when, { what }) => when === 'after' && seen.push(what.split(' ').slice(0, 2).join(' ')),
    )
    const { pod } = await apply({ client, application, rendered, gate: true }, signal())
    await client.close()
    expect(seen[0]).toBe('create Pod')
    expect(seen.at(-1)).toBe('patch Pod')
    expect(seen.slice(1, -1).sort()).toEqual([
      'create ConfigMap',
      'create ConfigMap',
      'create Secret',
      'create Service',
    ])
    const [driver] = await place.pods()
    expect(driver!.spec?.schedulingGates ?? []).toEqual([])
    expect(await strangers(place, [pod.metadata.uid])).toEqual([])
    await place.kubectl('delete', 'pod', application.driverPod, '--wait=false')
    await nothingLeft(place)
  })

  it('opens no gate but its own', async () => {
    await using place = await testNamespace(cluster)
    const small = await smallApplication(place.name)
    const spec = { ...small.rendered.pod.spec, schedulingGates: [{ name: 'example.org/queue' }] }
    const rendered = { ...small.rendered, pod: { ...small.rendered.pod, spec } }
    await apply({ client: place.client, ...small, rendered, gate: true }, signal())
    expect((await place.pods())[0]!.spec?.schedulingGates).toEqual([{ name: 'example.org/queue' }])
  })

  it.each(['before', 'after'] as const)(
    'leaves nothing when its n-th call fails, %s the API server has it',
    async (moment) => {
      await using place = await testNamespace(cluster)
      for (let n = 1; ; n++) {
        const { application, rendered } = await smallApplication(place.name)
        const client = new CountingClient(place.connection, (call, when) => {
          if (call === n && when === moment) throw new SupercargoError('unavailable', 'cut', 'the connection was cut')
        })
        const failure = await apply({ client, application, rendered, gate: true }, signal()).catch(
          (error: unknown) => error,
        )
        await client.close()
        if (!(failure instanceof Error)) {
          expect(n).toBeGreaterThan(6)
          return
        }
        expect(failure).toMatchObject({ code: 'cut' })
        await nothingLeft(place)
      }
    },
  )

  it('names the pod that it could not take back', async () => {
    await using place = await testNamespace(cluster)
    const { application, rendered } = await smallApplication(place.name)
    const client = new CountingClient(place.connection, (call) => {
      if (call > 2) throw new SupercargoError('unavailable', 'cut', 'the connection was cut')
    })
    const failed = apply({ client, application, rendered, gate: true }, signal())
    await expect(failed).rejects.toMatchObject({
      message: expect.stringContaining(application.driverPod),
      hint: expect.stringContaining('kubectl delete pod'),
    })
    await client.close()
  })

  it('removes no gated pod but those of submissions', async () => {
    await using place = await testNamespace(cluster)
    const pod = (name: string, labels: object, gate: string): object => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: place.name, labels },
      spec: { schedulingGates: [{ name: gate }], containers: [{ name: 'a', image: 'b' }] },
    })
    const { createObject, podPath } = await import('@supercargo/kube')
    for (const each of [
      pod('other', {}, gateName),
      pod('queued', { [submissionLabel]: 'x' }, 'example.org/queue'),
      pod('ours', { [submissionLabel]: 'x' }, gateName),
    ])
      await createObject(place.client, podPath, each as never, signal())
    expect(await removeLeftovers(place.client, place.name, signal(), -1)).toEqual(['ours'])
  })

  it.each([
    ['refuses the field', true],
    ['drops the field', false],
  ])('does without a gate where the API server %s', async (_, refuses) => {
    await using place = await testNamespace(cluster)
    const { application, rendered } = await smallApplication(place.name)
    const client = new CountingClient(place.connection, (_call, when, { method, body }) => {
      const { spec } = (body ?? {}) as { spec?: { schedulingGates?: unknown } }
      if (when !== 'before' || method !== 'POST' || spec?.schedulingGates === undefined) return
      if (refuses)
        throw new SupercargoError(
          'invalid',
          'kube-refused',
          'strict decoding error: unknown field "spec.schedulingGates"',
        )
      delete spec.schedulingGates
    })
    await apply({ client, application, rendered, gate: true }, signal())
    expect(await place.contents()).toHaveLength(5)
    await client.close()
  })

  it('meets a pod of its name, and says what to do', async () => {
    await using place = await testNamespace(cluster)
    const conf = { 'spark.kubernetes.driver.pod.name': 'mine' }
    await apply({ client: place.client, ...(await smallApplication(place.name, conf)), gate: true }, signal())
    const named = async () => (await place.contents()).map(({ metadata }) => metadata.name)
    const before = await named()
    const again = apply({ client: place.client, ...(await smallApplication(place.name, conf)), gate: true }, signal())
    await expect(again).rejects.toMatchObject({
      code: 'driver-exists',
      hint: expect.stringContaining('supercargo kill mine'),
    })
    expect(await named()).toEqual(before)
  })

  it('that meets a quota, or an account that is not there, leaves nothing', async () => {
    await using place = await testNamespace(cluster)
    await place.kubectl('create', 'quota', 'small', '--hard=services=0')
    await until(
      'the quota',
      async () => (await place.kubectl('get', 'quota', 'small', '-o', 'jsonpath={.status.hard.services}')) === '0',
      { timeoutMs: 20_000 },
    )
    const refused = apply({ client: place.client, ...(await smallApplication(place.name)), gate: true }, signal())
    await expect(refused).rejects.toMatchObject({ kind: 'denied', message: expect.stringContaining('exceeded quota') })
    await nothingLeft(place)
    const conf = { 'spark.kubernetes.authenticate.driver.serviceAccountName': 'nobody' }
    const nobody = apply({ client: place.client, ...(await smallApplication(place.name, conf)), gate: true }, signal())
    await expect(nobody).rejects.toMatchObject({ kind: 'denied' })
    expect(await place.contents()).toEqual([])
  })
})
