/** What the command makes of a driver's life, as a real API server tells it; the words of kubelet are the test's. */
import { apply, type WatchRequest, watchApplication } from '@supercargo/submit'
import { ManualClock } from '@supercargo/transfer'
import { beforeAll, expect, it } from 'vitest'
import type { ServiceDetails } from '../catalog.ts'
import { kubectl } from '../kubernetes/kubectl.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { until } from '../until.ts'
import { type TestNamespace, testNamespace } from './namespace.ts'
import { smallApplication } from './rendered.ts'

const main = 'spark-kubernetes-driver'
const signal = (): AbortSignal => AbortSignal.timeout(60_000)
const inMain = (state: object): object => ({ containerStatuses: [containerStatus(main, state)] })
const inInit = (state: object): object => ({ initContainerStatuses: [containerStatus('supercargo-localize', state)] })

function containerStatus(name: string, state: object): object {
  return { name, state, image: 'x', imageID: 'x', ready: false, restartCount: 0 }
}

interface Watched {
  readonly driver: string
  readonly id: string
  readonly said: string[]
  readonly result: Promise<unknown>
}

describeWith(['kubernetes'], 'a driver that is watched', () => {
  let cluster: ServiceDetails<'kubernetes'>

  beforeAll(async () => {
    cluster = await running('kubernetes')
  }, provisionTimeoutMs)

  async function watched(place: TestNamespace, client: WatchRequest['client'] = place.client): Promise<Watched> {
    const small = await smallApplication(place.name)
    await apply({ client, ...small, gate: true }, signal())
    const { driverPod: driver, id } = small.application
    const said: string[] = []
    const containers = { driver: main, executor: 'spark-kubernetes-executor' }
    const request = {
      client,
      namespace: place.name,
      applicationId: id,
      driverPod: driver,
      containers,
      note: (text: string) => said.push(text),
    }
    const result = watchApplication(request, signal()).catch((error: unknown) => error)
    await until('the first word', async () => said.length > 0, { timeoutMs: 20_000 })
    return { driver, id, said, result }
  }

  it('ends the command with its exit code, and every phase is told once', async () => {
    await using place = await testNamespace(cluster)
    const { driver, said, result } = await watched(place)
    await place.setStatus(driver, {
      ...inInit({ running: { startedAt: null } }),
      conditions: [{ type: 'PodScheduled', status: 'True' }],
    })
    await place.setStatus(driver, {
      ...inInit({ terminated: { exitCode: 0 } }),
      ...inMain({ running: {} }),
      phase: 'Running',
    })
    await place.setStatus(driver, inMain({ terminated: { exitCode: 3, reason: 'Error', message: 'last words' } }))
    expect(await result).toEqual({ exitCode: 3, reason: ': last words' })
    expect(said.slice(-2)).toEqual(['the driver gets its files', 'the driver runs on its node'])
    expect(new Set(said).size).toBe(said.length)
  })

  it("fails with the localizer's own reason and hint when it could not fetch", async () => {
    await using place = await testNamespace(cluster)
    const { driver, result } = await watched(place)
    const message = JSON.stringify({
      version: 1,
      ok: false,
      kind: 'notFound',
      code: 'no-such-key',
      message: 'dep.jar is not in the bucket',
      hint: 'is the key right?',
    })
    await place.setStatus(driver, inInit({ terminated: { exitCode: 66, message } }))
    expect(await result).toMatchObject({
      kind: 'notFound',
      code: 'no-such-key',
      hint: 'is the key right?',
      message: expect.stringContaining('dep.jar is not in the bucket'),
    })
  })

  it('fails when its image cannot be pulled, and says that it would go on trying', async () => {
    await using place = await testNamespace(cluster)
    const { driver, result } = await watched(place)
    await place.setStatus(driver, inMain({ waiting: { reason: 'ImagePullBackOff', message: 'no such image' } }))
    expect(await result).toMatchObject({ code: 'image-not-pulled', context: { goesOn: true } })
  })

  it('is told from its events, while no container has begun', async () => {
    await using place = await testNamespace(cluster)
    const { client } = place
    const small = await smallApplication(place.name)
    const { pod } = await apply({ client, ...small, gate: true }, signal())
    const { name, namespace, uid } = pod.metadata
    const node = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name },
      target: { apiVersion: 'v1', kind: 'Node', name: 'n1' },
    }
    const path = `/api/v1/namespaces/${place.name}`
    await client.request({ what: 'bind', method: 'POST', path: `${path}/pods/${name}/binding`, body: node }, signal())
    const event = {
      metadata: { generateName: 'mount-', namespace },
      involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace, uid },
      ...{ type: 'Warning', reason: 'FailedMount', message: 'secret "db" not found' },
    }
    await client.request({ what: 'say', method: 'POST', path: `${path}/events`, body: event }, signal())
    const said: string[] = []
    const clock = new ManualClock()
    const stop = new AbortController()
    const containers = { driver: main, executor: 'spark-kubernetes-executor' }
    const { driverPod, id: applicationId } = small.application
    const note = (text: string) => void said.push(text)
    const request = { client, namespace: place.name, applicationId, driverPod, containers, note, clock }
    const result = watchApplication(request, stop.signal).catch((error: unknown) => error)
    const spoken = async (): Promise<boolean> => {
      await clock.advance(15_000)
      return said.includes('FailedMount: secret "db" not found')
    }
    await until('the event', spoken, { timeoutMs: 30_000 })
    stop.abort()
    await result
  })

  it('fails when it is deleted', async () => {
    await using place = await testNamespace(cluster)
    const { driver, result } = await watched(place)
    await place.kubectl('delete', 'pod', driver, '--wait=false')
    expect(await result).toMatchObject({ code: 'driver-gone' })
  })

  it('is told from its executors, whose failure no log of the driver explains', async () => {
    await using place = await testNamespace(cluster)
    const { driver, id, said, result } = await watched(place)
    const labels = `spark-app-selector=${id},spark-role=executor`
    await place.kubectl('run', 'exec-1', '--image=x', '--restart=Never', `--labels=${labels}`)
    const message = JSON.stringify({
      version: 1,
      ok: false,
      kind: 'denied',
      code: 'wrong-secret',
      message: 'the secret is not accepted',
    })
    await place.setStatus('exec-1', inInit({ terminated: { exitCode: 77, message } }))
    await until(
      'the executor to be spoken of',
      async () => said.some((text) => text.includes('the secret is not accepted')),
      { timeoutMs: 20_000 },
    )
    await place.setStatus(driver, inMain({ terminated: { exitCode: 11, reason: 'Error' } }))
    expect(await result).toMatchObject({ exitCode: 11, reason: expect.stringContaining('the secret is not accepted') })
  })

  it('needs no right to list, nor more than to create, patch and watch', async () => {
    await using place = await testNamespace(cluster)
    await place.kubectl('create', 'serviceaccount', 'narrow')
    await place.kubectl('create', 'role', 'narrow-pods', '--verb=create,patch,watch', '--resource=pods')
    await place.kubectl('create', 'role', 'narrow-objects', '--verb=create', '--resource=configmaps,secrets,services')
    for (const role of ['narrow-pods', 'narrow-objects'])
      await place.kubectl('create', 'rolebinding', role, `--role=${role}`, `--serviceaccount=${place.name}:narrow`)
    const token = (await kubectl(cluster, ['--namespace', place.name, 'create', 'token', 'narrow'])).trim()
    const { ApiClient } = await import('@supercargo/kube')
    const { credentials } = place.connection
    const narrow = new ApiClient({
      ...place.connection,
      credentials: async () => ({
        headers: { authorization: `Bearer ${token}` },
        tls: { ca: (await credentials()).tls.ca },
      }),
    })
    const { driver, result } = await watched(place, narrow)
    await place.setStatus(driver, inMain({ terminated: { exitCode: 0, reason: 'Completed' } }))
    expect(await result).toEqual({ exitCode: 0, reason: '' })
    await narrow.close()
  })
})
