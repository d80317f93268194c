/** Client mode against a real API server: what is there while the command runs, and what is left of it. */
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type StagingClient } from '@supercargo/client'
import { createObject, type Pod, podPath } from '@supercargo/kube'
import { driverHost, findOwnPod } from '@supercargo/submit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServerForTest, startServer } from '../../flows/server-for-test.ts'
import type { ServiceDetails } from '../catalog.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { type TestNamespace, testNamespace } from '../submit/namespace.ts'
import { until } from '../until.ts'
import { wrapped } from './wrapped.ts'

const signal = (): AbortSignal => AbortSignal.timeout(30_000)
const note = (): void => undefined
const address = '192.0.2.77'

async function podWith(
  place: TestNamespace,
  name: string,
  fields: { labels?: object; spec?: object } = {},
): Promise<Pod> {
  const { labels, spec } = fields
  const pod = {
    metadata: { name, namespace: place.name, ...(labels === undefined ? {} : { labels }) },
    spec: { containers: [{ name: 'a', image: 'b' }], ...spec },
  }
  await createObject(place.client, podPath, pod as never, signal())
  await place.setStatus(name, { phase: 'Running', podIP: address, podIPs: [{ ip: address }] })
  return (await place.pods()).find(({ metadata }) => metadata.name === name)!
}

describeWith(['kubernetes'], 'a driver that runs here', () => {
  let cluster: ServiceDetails<'kubernetes'>
  let server: ServerForTest
  let client: StagingClient
  let folder: string

  beforeAll(async () => {
    cluster = await running('kubernetes')
    server = await startServer()
    client = createClient({ server: server.url })
    folder = await mkdtemp(join(tmpdir(), 'supercargo-wrap-client-'))
    await writeFile(join(folder, 'a.jar'), 'a')
    // It runs until it is told to end, and shows its jar under the path that it was given.
    const script = [
      '#!/bin/sh',
      "trap 'exit 5' TERM",
      'cat "$(echo "$2" | sed s,local://,,)"',
      'echo ready',
      'while :; do sleep 0.05; done',
    ]
    await writeFile(join(folder, 'spark-shell'), script.join('\n'))
    await chmod(join(folder, 'spark-shell'), 0o755)
  }, provisionTimeoutMs)

  afterAll(async () => {
    client?.close()
    await server?.stop()
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
  })

  function start(place: TestNamespace, environment: Readonly<Record<string, string>> = {}) {
    const options = ['--server', server.url, '--pod-server', 'http://staging.example:1', '--init-image', 'init:1']
    const call = { directory: folder, kubeconfig: cluster.kubeconfig, namespace: place.name }
    const env = { TMPDIR: folder, ...environment }
    return wrapped({ ...call, environment: env }, [...options, '--', './spark-shell', '--jars', 'a.jar'])
  }

  const resources = async (place: TestNamespace) => (await client.list({ namespace: place.name })).resources

  it('has its objects, its resource and its jar while it runs, and nothing of that afterwards', async () => {
    await using place = await testNamespace(cluster)
    const before = await readdir(folder)
    const { child, said, ended } = start(place)
    await until('the command', async () => said.out.includes('ready'), { timeoutMs: 60_000 })
    expect(said.out).toMatch(/^aready/)
    expect((await place.contents()).map(({ kind }) => kind).sort()).toEqual(['ConfigMap', 'Secret'])
    const [resource] = await resources(place)
    expect(resource!.owner).toMatchObject([{ kind: 'Pod', labels: { 'supercargo.io/submission': expect.any(String) } }])
    expect(said.err).toContain('the driver runs outside the cluster')
    child.kill('SIGTERM')
    expect((await ended).code).toBe(5)
    expect(await place.contents()).toEqual([])
    expect(await resources(place)).toEqual([])
    expect(await readdir(folder)).toEqual(before)
  })

  it('whose objects cannot be made stages nothing that stays', async () => {
    await using place = await testNamespace(cluster)
    await place.kubectl('create', 'quota', 'small', '--hard=secrets=0')
    const quota = ['get', 'quota', 'small', '-o', 'jsonpath={.status.hard.secrets}']
    await until('the quota', async () => (await place.kubectl(...quota)) === '0', { timeoutMs: 20_000 })
    const { code, err } = await start(place).ended
    expect([code, err]).toEqual([77, expect.stringMatching(/create Secret .* 403/)])
    expect(await place.contents()).toEqual([])
    expect(await resources(place)).toEqual([])
  })

  it('knows its pod by name or by address, and no other', async () => {
    await using place = await testNamespace(cluster)
    await podWith(place, 'jump')
    const environment = { KUBERNETES_SERVICE_HOST: 'x', HOSTNAME: 'jump' }
    const asked = { client: place.client, namespace: place.name, note }
    const find = async (env: object, addresses: readonly string[]) =>
      (await findOwnPod({ ...asked, environment: { ...environment, ...env }, addresses }, signal()))?.metadata.name
    expect(await find({}, ['10.0.0.1', address])).toBe('jump')
    expect(await find({ HOSTNAME: 'node-1' }, [address])).toBe('jump')
    expect(await find({ POD_NAME: 'jump', POD_NAMESPACE: place.name }, [address])).toBe('jump')
    // Another cluster has a pod of this name.
    expect(await find({}, ['10.0.0.1'])).toBeUndefined()
    expect(await find({ KUBERNETES_SERVICE_HOST: '' }, [address])).toBeUndefined()
  })

  it('is found by a Service of its own, which the next one finds, and which goes with the pod', async () => {
    await using place = await testNamespace(cluster)
    const pod = await podWith(place, 'jump', { labels: { app: 'jump' } })
    const host = await driverHost({ client: place.client, pod, make: true, note }, signal())
    expect(host).toBe(`jump-driver-svc.${place.name}.svc`)
    const [service] = (await place.contents()).filter(({ kind }) => kind === 'Service')
    expect(service).toMatchObject({
      spec: { clusterIP: 'None', selector: { 'supercargo.io/driver': pod.metadata.uid } },
    })
    const again = (await place.pods())[0]!
    expect(again.metadata.labels).toMatchObject({ app: 'jump', 'supercargo.io/driver': pod.metadata.uid })
    expect(await driverHost({ client: place.client, pod: again, make: true, note }, signal())).toBe(host)
    await place.kubectl('delete', 'pod', 'jump', '--wait=false', '--force')
    await until('the Service to go', async () => (await place.contents()).length === 0, { timeoutMs: 60_000 })
  })

  it('is found by the Service that is there, if that leads to this pod alone', async () => {
    await using place = await testNamespace(cluster)
    const pod = await podWith(place, 'one', { labels: { app: 'notebook' } })
    await place.kubectl('create', 'service', 'clusterip', 'notebook', '--clusterip=None')
    const host = () => driverHost({ client: place.client, pod, make: false, note }, signal())
    expect(await host()).toBe(`notebook.${place.name}.svc`)
    await podWith(place, 'two', { labels: { app: 'notebook' } })
    expect(await host()).toBe(`one-driver-svc.${place.name}.svc`)
  })

  it('has the name that its stateful set gives it', async () => {
    await using place = await testNamespace(cluster)
    await place.kubectl('create', 'service', 'clusterip', 'books', '--clusterip=None')
    const pod = await podWith(place, 'book-0', { spec: { hostname: 'book-0', subdomain: 'books' } })
    const host = await driverHost({ client: place.client, pod, make: true, note }, signal())
    expect(host).toBe(`book-0.books.${place.name}.svc`)
  })

  it('has its address where Services are not for it', async () => {
    await using place = await testNamespace(cluster)
    const pod = await podWith(place, 'jump')
    const { ApiClient } = await import('@supercargo/kube')
    const token = (await place.kubectl('create', 'token', 'default')).trim()
    const { credentials } = place.connection
    const narrow = new ApiClient({
      ...place.connection,
      credentials: async () => ({
        headers: { authorization: `Bearer ${token}` },
        tls: { ca: (await credentials()).tls.ca },
      }),
    })
    const notes: string[] = []
    const asked = { client: narrow, pod, make: true, note: (text: string) => void notes.push(text) }
    expect(await driverHost(asked, signal())).toBe(address)
    expect(notes.join()).toMatch(/no headless Service can be had/)
    const environment = { KUBERNETES_SERVICE_HOST: 'x', HOSTNAME: 'jump' }
    const own = { client: narrow, environment, namespace: place.name, addresses: [address], note: asked.note }
    expect(await findOwnPod(own, signal())).toBeUndefined()
    expect(notes.join()).toMatch(/cannot be looked up/)
    await narrow.close()
  })
})
