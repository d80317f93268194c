/** A cluster of one node as a test service: pods run, names and service addresses work inside them, and nothing of it stays. */
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { command } from '../command.ts'
import { kubectl } from '../kubernetes/kubectl.ts'
import { describeWith, type OwnInstance, ownInstance, provisionTimeoutMs, stopped } from '../running.ts'
import { shellImage } from './provision.ts'

describeWith(['kubernetes-node'], 'a node', () => {
  let cluster: OwnInstance<'kubernetes-node'> | undefined

  beforeAll(async () => {
    cluster = await ownInstance('kubernetes-node')
  }, provisionTimeoutMs)

  afterAll(async () => {
    if (cluster === undefined) return
    const link = await linkOf(cluster)
    const traces = () => outside(link)
    expect((await traces()).length).toBeGreaterThan(2)
    expect(await stopped(cluster)).toEqual([])
    expect(await traces()).toEqual([])
  })

  /** Runs a command line in a pod of its own and resolves with what it printed. */
  async function inPod(name: string, script: string): Promise<string> {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { app: name } },
      spec: {
        restartPolicy: 'Never',
        containers: [{ name: 'main', image: shellImage, imagePullPolicy: 'Never', command: ['sh', '-c', script] }],
      },
    }
    await kubectl(cluster!.details, ['create', '-f', '-'], JSON.stringify(pod))
    const ended = 'jsonpath={.status.containerStatuses[0].state.terminated}'
    await kubectl(cluster!.details, ['wait', `--for=${ended}`, `pod/${name}`, '--timeout=180s'])
    return kubectl(cluster!.details, ['logs', name])
  }

  it('runs a pod and shows its log and its exit code', async () => {
    expect(await inPod('hello', 'echo cargo aboard; exit 7')).toBe('cargo aboard\n')
    const code = ['get', 'pod', 'hello', '-o', 'jsonpath={.status.containerStatuses[0].state.terminated.exitCode}']
    expect(await kubectl(cluster!.details, code)).toBe('7')
  })

  it('reaches a Service by name and the API server by its address, and a server on this machine', async () => {
    const server = createServer((_, response) => response.end('from this machine'))
    await new Promise<void>((resolve) => server.listen(0, cluster!.details.hostAddress, resolve))
    const { port } = server.address() as { port: number }
    const serve = 'mkdir -p /tmp/www && echo from a pod > /tmp/www/index.html && httpd -f -p 8080 -h /tmp/www'
    await kubectl(cluster!.details, [
      'run',
      'web',
      `--image=${shellImage}`,
      '--image-pull-policy=Never',
      '--command',
      '--',
      'sh',
      '-c',
      serve,
    ])
    await kubectl(cluster!.details, ['expose', 'pod', 'web', '--port=80', '--target-port=8080'])
    await kubectl(cluster!.details, ['wait', '--for=condition=Ready', 'pod/web', '--timeout=180s'])
    const script = `
      for try in $(seq 50); do timeout 2 wget -q -O - http://web && break; sleep 0.2; done
      timeout 5 wget -q -O - http://${cluster!.details.hostAddress}:${port} && echo
      wget -O - http://kubernetes.default.svc.cluster.local:443 2>&1 | grep -o '400 Bad Request'
      [ -s /var/run/secrets/kubernetes.io/serviceaccount/token ] && echo token`
    try {
      expect((await inPod('client', script)).split('\n')).toEqual([
        'from a pod',
        'from this machine',
        '400 Bad Request',
        'token',
        '',
      ])
    } finally {
      server.close()
    }
  })

  it('kills what takes more memory than its limit, so that limits mean something', async () => {
    const container = {
      name: 'main',
      image: shellImage,
      imagePullPolicy: 'Never',
      command: ['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=300M', 'count=1'],
      resources: { limits: { memory: '32Mi' } },
    }
    const metadata = { name: 'greedy' }
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata, spec: { restartPolicy: 'Never', containers: [container] } }
    await kubectl(cluster!.details, ['create', '-f', '-'], JSON.stringify(pod))
    await kubectl(cluster!.details, ['wait', '--for=jsonpath={.status.phase}=Failed', 'pod/greedy', '--timeout=180s'])
    const reason = ['get', 'pod', 'greedy', '-o', 'jsonpath={.status.containerStatuses[0].state.terminated.reason}']
    expect(await kubectl(cluster!.details, reason)).toBe('OOMKilled')
  })

  it('localizes by an init container and shares what it wrote', async () => {
    const container = (name: string, script: string): unknown => ({
      name,
      image: shellImage,
      imagePullPolicy: 'Never',
      command: ['sh', '-c', script],
      volumeMounts: [{ name: 'data', mountPath: '/data' }],
      securityContext: {
        runAsUser: 65532,
        runAsNonRoot: true,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
    })
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'localized' },
      spec: {
        restartPolicy: 'Never',
        volumes: [{ name: 'data', emptyDir: {} }],
        initContainers: [container('init', 'echo cargo > /data/file')],
        containers: [container('main', 'cat /data/file')],
      },
    }
    await kubectl(cluster!.details, ['create', '-f', '-'], JSON.stringify(pod))
    await kubectl(cluster!.details, [
      'wait',
      '--for=jsonpath={.status.phase}=Succeeded',
      'pod/localized',
      '--timeout=180s',
    ])
    expect(await kubectl(cluster!.details, ['logs', 'localized'])).toBe('cargo\n')
  })

  /** The number of the link to the sandbox, which no other link ever gets. */
  async function linkOf(instance: typeof cluster): Promise<string> {
    const addresses = await command(['ip', '-oneline', 'address', 'show'])
    const line = addresses.split('\n').find((each) => each.includes(` ${instance?.details.hostAddress}/`))
    return line?.split(':')[0] ?? 'none'
  }

  /** What of the cluster is seen from outside its sandbox: its link, its control groups, a program in one of its containers. */
  async function outside(link: string): Promise<string[]> {
    const links = (await command(['ip', '-oneline', 'link', 'show']))
      .split('\n')
      .filter((line) => line.startsWith(`${link}:`))
    const groups = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => / - cgroup2? /.test(line))
      .flatMap((line) => readdirSync(line.split(' ')[4]!))
      .filter((name) => name === cluster?.details.controlGroup)
    const web = readdirSync('/proc')
      .filter((entry) => /^\d+$/.test(entry))
      .map(commandLine)
      .filter((line) => line.includes('httpd\0-f\0-p\u00008080'))
    return [...links, ...groups, ...web]
  }
})

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    // It ended while we looked.
    return ''
  }
}
