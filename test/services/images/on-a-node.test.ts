/** Our images on a real node: staged to a server behind a Service, localized in another pod, read by its main container. */
import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type StagedResource } from '@supercargo/client'
import { Secret } from '@supercargo/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ServiceDetails } from '../catalog.ts'
import { kubectl } from '../kubernetes/kubectl.ts'
import { shellImage } from '../kubernetes-node/provision.ts'
import { describeWith, progress, provisionTimeoutMs, running } from '../running.ts'
import { until } from '../until.ts'
import {
  type DeployedServer,
  dataFolder,
  deployServer,
  type LocalizingPod,
  localizing,
  restricted,
} from './deployment.ts'
import { importProductImages } from './product-images.ts'

const namespace = 'cargo'
/** Larger than every buffer on the way. */
const bytes = randomBytes(9 * 1024 * 1024 + 7)

describeWith(['kubernetes-node'], 'our images on a node', () => {
  let cluster: ServiceDetails<'kubernetes-node'>
  let server: DeployedServer
  let staged: StagedResource
  let folder: string | undefined

  beforeAll(async () => {
    cluster = await running('kubernetes-node')
    await importProductImages(cluster.importCommand, progress())
    server = await deployServer(cluster, namespace)
    folder = await mkdtemp(join(tmpdir(), 'supercargo-node-'))
    await mkdir(join(folder, 'spark-jars'))
    await writeFile(join(folder, 'spark-jars', 'app.jar'), bytes)
    await writeFile(join(folder, 'settings.txt'), 'the cargo\n')
    const owner = { namespace, apiVersion: 'v1', kind: 'Pod', name: 'reader' }
    staged = await server.client.stage({ owner, files: [{ path: folder }] })
  }, provisionTimeoutMs)

  afterAll(async () => {
    if (folder !== undefined) await rm(folder, { recursive: true })
    await server?.remove()
  })

  async function createPod(name: string, part: LocalizingPod, user: number): Promise<void> {
    const script = `cd ${dataFolder} && cat settings.txt && sha256sum spark-jars/app.jar && find . -name .supercargo -prune -o -type f -print | sort`
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: {
        restartPolicy: 'Never',
        automountServiceAccountToken: false,
        securityContext: { runAsUser: user },
        initContainers: part.initContainers,
        containers: [
          {
            name: 'main',
            image: shellImage,
            imagePullPolicy: 'Never',
            command: ['sh', '-c', script],
            securityContext: { ...restricted, runAsUser: 185 },
            volumeMounts: [part.mount],
          },
        ],
        volumes: part.volumes,
      },
    }
    await kubectl(cluster, ['create', '-f', '-'], JSON.stringify(pod))
  }

  async function ended(name: string, phase: string): Promise<void> {
    const wait = ['wait', `--for=jsonpath={.status.phase}=${phase}`, `pod/${name}`, '--timeout=180s']
    await kubectl(cluster, [...wait, '--namespace', namespace]).catch(async (cause) => {
      const described = await kubectl(cluster, ['describe', 'pod', name, '--namespace', namespace])
      throw new Error(described, { cause })
    })
  }

  it.each([
    ['the user of the image', 65_532],
    ['a user whom nobody knows', 1_000_650_000],
  ])('bring staged files to a main container, localized by name as %s', async (_, user) => {
    const name = `reader-${user}`
    const part = await localizing(cluster, namespace, name, server.podUrl, staged)
    const began = performance.now()
    await createPod(name, part, user)
    await ended(name, 'Succeeded')
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    process.stderr.write(`a pod that localizes 9 MiB and reads them: ${seconds} s from its creation to its end\n`)
    const hash = createHash('sha256').update(bytes).digest('hex')
    expect(await kubectl(cluster, ['logs', name, '--namespace', namespace])).toBe(
      `the cargo\n${hash}  spark-jars/app.jar\n./settings.txt\n./spark-jars/app.jar\n`,
    )
  })

  it('take and give hundreds of MiB through a NodePort, from outside of the node, and lead Hadoop clients back to it', async () => {
    const spec = { type: 'NodePort', selector: { 'app.kubernetes.io/name': 'supercargo' }, ports: [{ port: 10_000 }] }
    const outside = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'outside', namespace }, spec }
    await kubectl(cluster, ['create', '-f', '-'], JSON.stringify(outside))
    const get = ['get', 'service', 'outside', '--namespace', namespace, '-o', 'jsonpath={.spec.ports[0].nodePort}']
    const address = `http://${cluster.nodeAddress}:${await kubectl(cluster, get)}`
    await until('the NodePort', async () => (await fetch(`${address}/readyz`)).ok, { timeoutMs: 60_000 })
    const large = join(folder!, 'large.jar')
    await writeFile(large, randomBytes(200 * 1024 * 1024))
    const client = createClient({ server: address })
    try {
      const owner = { namespace, apiVersion: 'v1', kind: 'Pod', name: 'reader' }
      const { resourceId, resourceSecret: secret, files } = await client.stage({ owner, files: [{ path: large }] })
      const to = join(folder!, 'fetched')
      await client.fetch({ resourceId, secret, to })
      const hash = createHash('sha256')
      for await (const chunk of createReadStream(join(to, 'large.jar'))) hash.update(chunk as Buffer)
      expect(`sha256:${hash.digest('hex')}`).toBe(files[0]!.digest)
      await client.release({ resourceId, secret })
    } finally {
      client.close()
    }
    const path = `/webhdfs/v1/${namespace}/a.jar?op=CREATE`
    const first = await fetch(`${address}${path}`, { method: 'PUT', redirect: 'manual' })
    expect([first.status, first.headers.get('location')]).toEqual([307, `${address}${path}&data=true`])
  })

  it('say in the status of the pod why nothing was localized, with the exit code of the kind and without the secret', async () => {
    const wrong = { resourceId: staged.resourceId, resourceSecret: Secret.mint() }
    await createPod('refused', await localizing(cluster, namespace, 'refused', server.podUrl, wrong), 65_532)
    await ended('refused', 'Failed')
    const get = ['get', 'pod', 'refused', '--namespace', namespace, '-o']
    const state = await kubectl(cluster, [...get, 'jsonpath={.status.initContainerStatuses[0].state.terminated}'])
    const { exitCode, message } = JSON.parse(state) as { exitCode: number; message: string }
    expect(exitCode).toBe(77)
    expect(JSON.parse(message)).toMatchObject({ kind: 'denied', code: expect.stringMatching(/^[a-z-]+$/) })
    expect(message).not.toContain(wrong.resourceSecret.reveal())
  })

  it('keep what was staged when the server is asked to stop, which it does in order, and starts again', async () => {
    const ask = [...inServer('exec'), '--', '/usr/local/bin/node', '-e', "process.kill(1, 'SIGTERM')"]
    await kubectl(cluster, ask)
    const again = 'jsonpath={.items[0].status.containerStatuses[0]}'
    const pods = [
      'get',
      'pods',
      '--namespace',
      namespace,
      '--selector',
      'app.kubernetes.io/name=supercargo',
      '-o',
      again,
    ]
    const status = await until(
      'the second start of the server',
      async () => {
        const found = JSON.parse(await kubectl(cluster, pods)) as ServerStatus
        return found.restartCount === 1 && found.ready && found
      },
      { timeoutMs: 180_000 },
    )
    expect(status.lastState.terminated?.exitCode).toBe(0)
    const { resourceId, resourceSecret: secret, files } = staged
    expect((await server.client.manifest({ resourceId, secret })).files).toEqual(files)
    const logs = [await kubectl(cluster, inServer('logs')), await kubectl(cluster, [...inServer('logs'), '--previous'])]
    expect(logs.join('')).not.toContain(secret.reveal())
  })
})

interface ServerStatus {
  readonly restartCount: number
  readonly ready: boolean
  readonly lastState: { readonly terminated?: { readonly exitCode: number } }
}

function inServer(verb: string): string[] {
  return [verb, '--namespace', namespace, 'deployment/supercargo']
}
