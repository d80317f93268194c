/** Kubeconfig files as people have them: several, merged, with plugins, certificates, tokens in files, proxies. */
import { chmod, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, createServer as createTcpServer, type Server as TcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ApiClient } from './api-client.ts'
import { findCluster } from './connect.ts'
import { kubeConfigConnection } from './kube-config.ts'
import { type TestCertificates, testCertificates } from './testing/certificates.ts'
import { FaultyApiServer } from './testing/faulty-api-server.ts'

const list = { what: 'list pods', path: '/api/v1/pods' }
const signal = (): AbortSignal => AbortSignal.timeout(10_000)

describe('a kubeconfig', () => {
  let directory: string
  let files: TestCertificates
  let server: FaultyApiServer
  let address: string
  let authorizations: (string | undefined)[]

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kube-config-'))
    files = await testCertificates(directory)
    const [ca, cert, key] = await Promise.all(
      [files.caFile, files.server.certFile, files.server.keyFile].map((file) => readFile(file)),
    )
    const tls = createTlsServer({ ca, cert, key, requestCert: true, rejectUnauthorized: false })
    tls.on('request', (request) => authorizations.push(request.headers.authorization))
    server = await FaultyApiServer.start({ server: tls })
    address = `https://127.0.0.1:${server.port}`
  })
  beforeEach(() => {
    authorizations = []
  })
  afterAll(async () => {
    await server?.stop()
    await rm(directory, { recursive: true })
  })

  const write = async (name: string, text: string): Promise<string> => {
    const path = join(directory, name)
    await writeFile(path, text)
    return path
  }
  const config = (user: string, options: { cluster?: string; name?: string } = {}): string => {
    const name = options.name ?? 'main'
    return `apiVersion: v1
kind: Config
current-context: ${name}
clusters: [{ name: ${name}, cluster: { server: "${address}", certificate-authority: ca.crt${options.cluster ?? ''} } }]
contexts: [{ name: ${name}, context: { cluster: ${name}, user: ${name}, namespace: ns-${name} } }]
users: [{ name: ${name}, user: ${user} }]
`
  }
  const use = async (path: string, context?: string): Promise<ApiClient> =>
    new ApiClient((await kubeConfigConnection({ kubeconfig: path, context, environment: {} }))!)
  const ask = async (client: ApiClient): Promise<string | undefined> => {
    await client.request(list, signal())
    return authorizations.at(-1)
  }

  it('gives address, namespace, authority and token, with paths from where the file is', async () => {
    const client = await use(await write('token', config('{ token: t0k }')))
    expect(await ask(client)).toBe('Bearer t0k')
    expect(client.connection.namespace).toBe('ns-main')
    await client.close()
  })

  it('shows a client certificate, and one that was renewed in its file', async () => {
    const path = await write('certificate', config('{ client-certificate: client.crt, client-key: client.key }'))
    const client = await use(path)
    expect(await ask(client)).toBeUndefined()
    const before = server.connections.opened
    await ask(client)
    expect(server.connections.opened).toBe(before)
    await client.close()
  })

  it('reads a token file again when it is replaced', async () => {
    await write('t1', 'first\n')
    await write('t2', 'second\n')
    await symlink('t1', join(directory, 'token-link'))
    const client = await use(await write('token-file', config('{ tokenFile: token-link }')))
    expect(await ask(client)).toBe('Bearer first')
    await symlink('t2', join(directory, 'token-next'))
    await rename(join(directory, 'token-next'), join(directory, 'token-link'))
    expect(await ask(client)).toBe('Bearer second')
    await rm(join(directory, 'token-link'))
    expect(await ask(client)).toBe('Bearer second')
    await client.close()
  })

  it('runs a credential plugin once, and again after a 401', async () => {
    const plugin = await write(
      'plugin.sh',
      `#!/bin/sh
echo run >> ${join(directory, 'runs')}
n=$(wc -l < ${join(directory, 'runs')} | tr -d ' ')
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"run-'$n'"}}'
`,
    )
    await chmod(plugin, 0o755)
    const exec = `{ exec: { apiVersion: client.authentication.k8s.io/v1, command: ${plugin}, interactiveMode: Never } }`
    const client = await use(await write('exec', config(exec)))
    expect([await ask(client), await ask(client)]).toEqual(['Bearer run-1', 'Bearer run-1'])
    server.fault({ fault: { answer: { status: 401, body: '' } }, when: () => true, times: 1 })
    expect(await ask(client)).toBe('Bearer run-2')
    server.heal()
    await client.close()
  })

  it('says that a plugin failed, without what it printed', async () => {
    const plugin = await write('broken.sh', '#!/bin/sh\necho s3cr3t >&2\nexit 3\n')
    await chmod(plugin, 0o755)
    const client = await use(await write('broken', config(`{ exec: { apiVersion: v1, command: ${plugin} } }`)))
    const failure = await ask(client).catch((error: Error) => error)
    expect(failure).toMatchObject({ kind: 'denied', code: 'kube-credential-failed' })
    expect(JSON.stringify([String(failure), (failure as Error).cause])).not.toContain('s3cr3t')
    const missing = await use(await write('missing', config('{ exec: { apiVersion: v1, command: /nowhere/plugin } }')))
    await expect(ask(missing)).rejects.toMatchObject({ message: expect.stringContaining('ENOENT') })
  })

  it('merges the files of KUBECONFIG: the first of a name counts, one that is missing is empty', async () => {
    const first = await write('merge-1', config('{ token: one }', { name: 'both' }))
    const second = await write('merge-2', config('{ token: two }', { name: 'both' }))
    const third = await write('merge-3', config('{ token: three }', { name: 'other' }))
    const list = [join(directory, 'nowhere'), first, second, third].join(delimiter)
    const environment = { KUBECONFIG: list }
    const both = new ApiClient((await kubeConfigConnection({ environment }))!)
    expect(await ask(both)).toBe('Bearer one')
    const other = new ApiClient((await kubeConfigConnection({ environment, context: 'other' }))!)
    expect([await ask(other), other.connection.namespace]).toEqual(['Bearer three', 'ns-other'])
    await both.close()
    await other.close()
  })

  it.each([
    ['a name and a password', '{ username: jo, password: "s:3" }', `Basic ${Buffer.from('jo:s:3').toString('base64')}`],
    ['a token beside texts that are empty', '{ token: t0k, username: "", client-certificate: "" }', 'Bearer t0k'],
    ['a token that ends with a line', '{ token: "t0k\\n" }', 'Bearer t0k'],
    ['nothing', '', undefined],
  ])('takes what a user has: %s', async (_, user, expected) => {
    const client = await use(await write('user', config(user)))
    expect(await ask(client)).toBe(expected)
    await client.close()
  })

  it('takes the text rather than the file where both are given, as kubectl does', async () => {
    const data = (await readFile(files.caFile)).toString('base64')
    const cluster = `, certificate-authority-data: ${data}`
    const text = config('{ token: t0k }', { cluster }).replace('ca.crt', 'nowhere.crt')
    const client = await use(await write('data', text))
    expect(await ask(client)).toBe('Bearer t0k')
    await client.close()
  })

  it('says whom it acts for, and which certificate cannot be read', async () => {
    const acting = (await kubeConfigConnection({
      kubeconfig: await write('acting', config('{ token: t0k, as: jo }')),
      environment: {},
    }))!
    expect((await acting.credentials()).headers).toEqual({ authorization: 'Bearer t0k', 'impersonate-user': 'jo' })
    const client = await use(await write('unreadable', config('{ client-certificate: no.crt, client-key: no.key }')))
    await expect(ask(client)).rejects.toMatchObject({
      code: 'kube-credential-unreadable',
      message: expect.stringContaining('the certificate of user main'),
    })
    await client.close()
  })

  it('keeps the authority for a context without a user', async () => {
    const text = config('{}').replace(/, user: main/, '')
    const client = await use(await write('anonymous', text))
    expect(await ask(client)).toBeUndefined()
    await client.close()
  })

  it.each([
    ['a file that is not there', 'nowhere', undefined, 'bad-kubeconfig'],
    ['a file that is not YAML', 'bad: [s3cr3t', undefined, 'bad-kubeconfig'],
    ['a file of another shape', 'users: [{ name: main, user: { token: [s3cr3t] } }]', undefined, 'bad-kubeconfig'],
    ['a context that is not there', undefined, 'elsewhere', 'kube-context-not-found'],
    ['no current context', 'kind: Config\napiVersion: v1\n', undefined, 'kube-context-not-found'],
  ])('is refused with a reason: %s', async (_, text, context, code) => {
    const path = text === 'nowhere' ? join(directory, text) : await write('refused', text ?? config('{}'))
    const failure = await kubeConfigConnection({ kubeconfig: path, context, environment: {} }).catch((error) => error)
    expect(failure).toMatchObject({ kind: 'invalid', code })
    expect(String(failure)).not.toContain('s3cr3t')
  })

  it('sends no credential over plain HTTP to another machine', async () => {
    const text = config('{ token: t0k }').replace(address, 'http://192.0.2.1:8080')
    const client = await use(await write('plain', text))
    await expect(ask(client)).rejects.toMatchObject({ code: 'kube-not-https' })
  })

  it('goes through the proxy of the cluster, on kept connections', async () => {
    const { proxy, tunnels } = await startProxy()
    const proxyUrl = `, proxy-url: "http://user:pass@127.0.0.1:${(proxy.address() as AddressInfo).port}"`
    const client = await use(await write('proxied', config('{ token: t0k }', { cluster: proxyUrl })))
    expect([await ask(client), await ask(client)]).toEqual(['Bearer t0k', 'Bearer t0k'])
    expect(tunnels).toEqual([`127.0.0.1:${server.port}`])
    await client.close()
    proxy.closeAllConnections()
    proxy.close()
  })

  it('goes through a SOCKS proxy of the cluster', async () => {
    const { proxy, tunnels } = await startSocks()
    const proxyUrl = `, proxy-url: "socks5://127.0.0.1:${(proxy.address() as AddressInfo).port}"`
    const client = await use(await write('socks', config('{ token: t0k }', { cluster: proxyUrl })))
    expect([await ask(client), await ask(client)]).toEqual(['Bearer t0k', 'Bearer t0k'])
    expect(tunnels).toEqual([server.port])
    await client.close()
    proxy.close()
  })

  it('is found before or after the service account of a pod, as the program prefers', async () => {
    const account = join(directory, 'account')
    await mkdir(account)
    await writeFile(join(account, 'token'), 'pod-token')
    await writeFile(join(account, 'namespace'), 'pod-namespace')
    await writeFile(join(account, 'ca.crt'), await readFile(files.caFile))
    const KUBECONFIG = await write('found', config('{ token: user-token }'))
    const environment = { KUBECONFIG, KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: `${server.port}` }
    const find = async (prefer: 'in-cluster' | 'kubeconfig', more: object = {}) => {
      const connection = await findCluster({ environment, prefer, serviceAccountDirectory: account, ...more })
      const client = new ApiClient(connection!)
      const sent = await ask(client)
      await client.close()
      return [sent, connection?.namespace]
    }
    expect(await find('in-cluster')).toEqual(['Bearer pod-token', 'pod-namespace'])
    expect(await find('kubeconfig')).toEqual(['Bearer user-token', 'ns-main'])
    expect(await find('in-cluster', { kubeconfig: KUBECONFIG })).toEqual(['Bearer user-token', 'ns-main'])
    expect(await findCluster({ environment: { HOME: directory }, prefer: 'in-cluster' })).toBeUndefined()
  })
})

async function startProxy(): Promise<{ proxy: Server; tunnels: string[] }> {
  const tunnels: string[] = []
  const proxy = createServer()
  proxy.on('connect', (request, socket) => {
    tunnels.push(request.url!)
    const [host, port] = request.url!.split(':')
    const upstream = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connected\r\n\r\n')
      upstream.pipe(socket).pipe(upstream)
    })
    for (const each of [upstream, socket])
      each.on('error', () => [upstream, socket].forEach((one) => void one.destroy()))
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return { proxy, tunnels }
}

/** RFC 1928, as far as a test needs it: no authentication, CONNECT to an IPv4 address. */
async function startSocks(): Promise<{ proxy: TcpServer; tunnels: number[] }> {
  const tunnels: number[] = []
  const proxy = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write(Buffer.from([5, 0]))
      socket.once('data', (request) => {
        const port = (request as Buffer).readUInt16BE(8)
        tunnels.push(port)
        const upstream = connect(port, (request as Buffer).subarray(4, 8).join('.'), () => {
          socket.write(Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 0]))
          upstream.pipe(socket).pipe(upstream)
        })
        upstream.on('error', () => socket.destroy())
      })
    })
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  return { proxy, tunnels }
}
