/** The chart on a real cluster, as its README has it: installed, tried, upgraded while files move, removed and installed again. */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type StagingClient } from '@supercargo/client'
import { Secret } from '@supercargo/protocol'
import { trustContext } from '@supercargo/transfer'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { freePort } from '../../process/free-port.ts'
import type { ServiceDetails } from '../catalog.ts'
import { createAuthority, issue } from '../certificates.ts'
import { command } from '../command.ts'
import { importProductImages, productVersion, registry, repository } from '../images/product-images.ts'
import { kubectl, tryKubectl } from '../kubernetes/kubectl.ts'
import { describeWith, progress, provisionTimeoutMs, running } from '../running.ts'
import { until } from '../until.ts'
import { chart, helm, helmEnvironment, setting } from './helm.ts'
import { fetchAndCompare, startTransfers, type Transfers } from './transfers.ts'
import { createNodeVolume, type NodeVolume } from './volume.ts'

const namespace = 'supercargo'
const golden = join(import.meta.dirname, 'golden')

describeWith(['helm', 'kubernetes-node'], 'the chart on a node', () => {
  let cluster: ServiceDetails<'kubernetes-node'>
  let program: ServiceDetails<'helm'>
  let volume: NodeVolume
  let folder: string
  let transfers: Transfers

  beforeAll(async () => {
    cluster = await running('kubernetes-node')
    program = await running('helm')
    await importProductImages(cluster.importCommand, progress())
    folder = mkdtempSync(join(tmpdir(), 'supercargo-chart-node-'))
    volume = await createNodeVolume(cluster, { namespace, name: 'supercargo' })
  }, provisionTimeoutMs)

  afterAll(async () => {
    if (cluster === undefined) return
    await tryKubectl(cluster, [
      'delete',
      'namespace',
      namespace,
      'spark',
      'golden',
      '--wait=false',
      '--ignore-not-found',
    ])
    await tryKubectl(cluster, ['delete', ...definitions(), '--wait=false', '--ignore-not-found'])
    const roles = await kubectl(cluster, [
      'get',
      'clusterroles,clusterrolebindings',
      '-o',
      'name',
      '--selector',
      selector,
    ])
    if (roles !== '') await kubectl(cluster, ['delete', ...roles.trim().split('\n')])
    await volume?.remove()
    if (folder !== undefined) rmSync(folder, { recursive: true })
  })

  const inside = (...args: string[]): Promise<string> => kubectl(cluster, ['--namespace', namespace, ...args])
  const release = (...args: string[]): Promise<string> =>
    helm(program, [...args, '--namespace', namespace], cluster.kubeconfig)
  const token = (): Secret => new Secret(readFileSync(join(folder, 'token'), 'utf8').trim())
  const serviceUrl = async (): Promise<URL> =>
    new URL(`http://${await inside('get', 'service', 'supercargo', '-o', 'jsonpath={.spec.clusterIP}')}:10000`)

  it('comes to its first localized pod, and to a file from outside, by the words of the README', async () => {
    const port = await freePort()
    const script = installSection()
      .replace(/^export REGISTRY=.*$/m, `export REGISTRY=${registry}`)
      .replace('service/supercargo 10000 &', `service/supercargo ${port}:10000 &`)
    expect(script).toContain(`:${productVersion} .`)
    const began = performance.now()
    const said = await command(['bash', '-euxo', 'pipefail', '-c', `trap 'kill $(jobs -p)' EXIT\n${script}`], {
      cwd: clone(),
      env: {
        ...helmEnvironment(program, cluster.kubeconfig),
        PATH: `${tools()}:${process.env.PATH}`,
        SUPERCARGO_SERVER: `http://127.0.0.1:${port}`,
      },
    })
    const seconds = Math.round((performance.now() - began) / 1000)
    process.stderr.write(`from an empty namespace to a localized pod and a file from outside: ${seconds} s\n`)
    expect(said).toMatch(/Phase: +Succeeded/)
    expect(said).toMatch(/^id +\S+$/m)
    expect(said).toContain('hello.txt')
  })

  it('runs under restricted Pod Security, and as no root', async () => {
    const label = ['label', 'namespace', namespace, 'pod-security.kubernetes.io/enforce=restricted']
    const { exitCode, stderr } = await tryKubectl(cluster, label)
    expect([exitCode, stderr]).toEqual([0, ''])
  })

  it('makes nothing that the cluster would not take', async () => {
    const strict = ['enforce', 'warn'].map((mode) => `pod-security.kubernetes.io/${mode}=restricted`)
    await kubectl(cluster, ['create', 'namespace', 'golden'])
    await kubectl(cluster, ['label', 'namespace', 'golden', ...strict])
    await kubectl(cluster, ['apply', '--server-side', ...definitions()])
    await kubectl(cluster, ['wait', '--for=condition=Established', '--timeout=30s', ...definitions()])
    // Rights, and the test of a release, are made for real by the other tests.
    const others = ['namespaced.yaml', 'test.yaml']
    for (const name of readdirSync(golden).filter((each) => !others.includes(each))) {
      const text = readFileSync(join(golden, name), 'utf8').replaceAll('namespace: supercargo', 'namespace: golden')
      const apply = ['apply', '--dry-run=server', '--validate=strict', '--filename', '-']
      const taken = await tryKubectl(cluster, apply, text)
      expect([taken.exitCode, taken.stderr], name).toEqual([0, ''])
    }
  })

  it('is upgraded while files move: the client repairs what breaks, and nothing that was acknowledged is lost', async () => {
    const before = await inside('get', 'pods', '--selector', selector, '-o', 'name')
    transfers = await startTransfers({
      server: await serviceUrl(),
      token: token(),
      directory: folder,
      namespace: 'spark',
    })
    const counts = (): number[] => [transfers.staged.length, transfers.downloads, transfers.localized]
    const further = async (some: readonly number[]): Promise<boolean> =>
      counts().every((count, index) => count > some[index]! + 2)
    await until('some transfers', () => further([0, 0, 0]), { timeoutMs: 60_000 })
    await release('upgrade', 'supercargo', chart, '--reuse-values', '--wait', ...setting({ drainSeconds: 8 }))
    const upgraded = counts()
    await until('transfers after the upgrade', () => further(upgraded), { timeoutMs: 120_000 })
    await transfers.stop()
    expect(transfers.failures).toEqual([])
    expect(transfers.retries).toBeGreaterThan(0)
    expect(await inside('get', 'pods', '--selector', selector, '-o', 'name')).not.toBe(before)
    const client = createClient({ server: await serviceUrl() })
    for (const { resource, sha256 } of transfers.staged)
      await fetchAndCompare(client, resource, sha256, join(folder, 'all'))
    client.close()
    const sizes = transfers.staged.map(({ resource }) => resource.files[0]!.sizeBytes)
    expect(Math.max(...sizes)).toBeGreaterThan(17_000_000)
  })

  it('whose volume takes no writes is not ready and says so, and still serves what is there', async () => {
    const everywhere = (mode: string): Promise<string> =>
      command(['find', volume.directory, '-type', 'd', '-exec', 'chmod', mode, '{}', '+'])
    const ready = (state: string): Promise<string> =>
      inside('wait', `--for=condition=Ready=${state}`, 'pod', '--selector', selector, '--timeout=60s')
    const client = createClient({ server: await serviceUrl(), token: token(), attemptsMax: 1 })
    await everywhere('a-w')
    try {
      await ready('false')
      const { resource, sha256 } = transfers.staged[0]!
      await fetchAndCompare(client, resource, sha256, join(folder, 'unready'))
      const owner = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'driver' }
      const refused = client.stage({ owner, files: [{ path: join(folder, 'token') }] })
      await expect(refused).rejects.toMatchObject({ kind: expect.stringMatching(/^(unavailable|denied|internal)$/) })
    } finally {
      await everywhere('ug+w')
      client.close()
    }
    await ready('true')
  })

  it('leaves the volume when it is removed, and finds it again, behind a node port with a certificate of its own', async () => {
    await release('uninstall', 'supercargo', '--wait')
    expect(await inside('get', 'pvc', 'supercargo', '-o', 'jsonpath={.status.phase}')).toBe('Bound')
    const authority = await createAuthority(mkdir('pki'), 'cargo')
    const names = [`DNS:supercargo.${namespace}.svc`, `IP:${cluster.nodeAddress}`]
    const pair = await issue(authority, { name: 'server', commonName: 'supercargo', alternativeNames: names })
    const files = { 'tls.crt': pair.certFile, 'tls.key': pair.keyFile, 'ca.crt': authority.certFile }
    const from = Object.entries(files).map(([key, file]) => `--from-file=${key}=${file}`)
    await inside('create', 'secret', 'generic', 'cargo-tls', ...from)
    const values = { 'image.registry': registry, 'tls.secretName': 'cargo-tls', 'service.type': 'NodePort' }
    await release('install', 'supercargo', chart, '--wait', ...setting(values))
    expect(await release('test', 'supercargo')).toMatch(/Phase: +Succeeded/)
    const port = await inside('get', 'service', 'supercargo', '-o', 'jsonpath={.spec.ports[0].nodePort}')
    const client: StagingClient = createClient({
      server: `https://${cluster.nodeAddress}:${port}`,
      trust: trustContext([authority.certFile]),
    })
    const { resource, sha256 } = transfers.staged.at(-1)!
    await fetchAndCompare(client, resource, sha256, join(folder, 'again'))
    client.close()
    await release('uninstall', 'supercargo', '--wait')
  })

  /** Of the kinds that Kubernetes does not have, as arguments of kubectl. */
  function definitions(): string[] {
    const files = readdirSync(program.definitions).filter((name) => name.endsWith('.yaml'))
    return files.flatMap((name) => ['--filename', join(program.definitions, name)])
  }

  /** The commands of the section, without the words between them. */
  function installSection(): string {
    const [, section] = /^## Install\n([\s\S]*?)^## /m.exec(readFileSync(join(repository, 'README.md'), 'utf8')) ?? []
    return section!
      .match(/^ {4}.*$/gm)!
      .map((line) => line.slice(4))
      .join('\n')
  }

  /** A folder in which what the README names is found, and what it makes stays out of the repository. */
  function clone(): string {
    for (const name of ['deploy', 'Dockerfile.server', 'Dockerfile.init'])
      symlinkSync(join(repository, name), join(folder, name))
    return folder
  }

  /** The programs that the README uses: the images are on the node already, made from the same Dockerfiles. */
  function tools(): string {
    const directory = mkdir('bin')
    symlinkSync(program.program, join(directory, 'helm'))
    symlinkSync(join(cluster.binDirectory, 'kubectl'), join(directory, 'kubectl'))
    const main = join(repository, 'packages', 'cli', 'src', 'main.ts')
    const scripts = {
      docker: '[ "$1" = push ] || [ -f "$3" ]',
      supercargo: `exec '${process.execPath}' '${main}' "$@"`,
    }
    for (const [name, text] of Object.entries(scripts)) {
      writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`)
      chmodSync(join(directory, name), 0o755)
    }
    return directory
  }

  function mkdir(name: string): string {
    mkdirSync(join(folder, name))
    return join(folder, name)
  }
})

const selector = 'app.kubernetes.io/name=supercargo,app.kubernetes.io/instance=supercargo'
