/** Behind an nginx that nobody configured for this: what does not work is named, what is cut goes on, the rest works. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type StagedResource, type StagingClient } from '@supercargo/client'
import type { Owner, SupercargoError } from '@supercargo/protocol'
import { proxiesOf } from '@supercargo/transfer'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { examineServer } from '../../../packages/submit/src/examine-server.ts'
import { freePort } from '../../process/free-port.ts'
import { type ServerProcess, startStagingServer } from '../../process/staging-server.ts'
import { describeWith, provisionTimeoutMs } from '../running.ts'
import { around, type FrontNginx, startFrontNginx } from './front-nginx.ts'

const owner: Owner = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'driver' }
const MiB = 2 ** 20
const bytes = randomBytes(48 * MiB)
/** As short as it can be set: what takes a minute elsewhere takes a second here. */
const impatient = 'proxy_connect_timeout 1s; proxy_send_timeout 1s; proxy_read_timeout 1s;'

describeWith(['nginx'], 'behind an nginx that knows nothing of us', () => {
  let work: string
  let server: ServerProcess
  const nginxes: FrontNginx[] = []
  const clients: StagingClient[] = []

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'supercargo-defaults-'))
    writeFileSync(join(work, 'large.jar'), bytes)
    writeFileSync(join(work, 'small.jar'), bytes.subarray(0, 500_000))
    server = await startStagingServer({ arguments: ['--store', join(work, 'store'), '--limits-free-bytes-min', '0'] })
  }, provisionTimeoutMs)

  afterAll(async () => {
    for (const client of clients) client.close()
    // A test that failed in between may have left it standing still.
    if (server !== undefined) process.kill(server.pid, 'SIGCONT')
    await Promise.all([server?.stop(), ...nginxes.map((nginx) => nginx.stop())])
    rmSync(work, { recursive: true, force: true })
  })

  async function front(settings: string, target = server.url): Promise<FrontNginx> {
    const nginx = await startFrontNginx((port) =>
      around(`${settings} server { listen 127.0.0.1:${port}; location / { proxy_pass ${target}; } }`),
    )
    nginxes.push(nginx)
    return nginx
  }

  /** A client by way of an nginx with these settings, and what was tried again. */
  async function behind(settings: string, target?: string, onRetry?: (failure: SupercargoError) => void) {
    const { url } = await front(settings, target)
    const client = createClient({ server: url, attemptsMax: 8, ...(onRetry === undefined ? {} : { onRetry }) })
    clients.push(client)
    return client
  }

  const stage = (client: StagingClient, name: string, onProgress?: (bytes: number) => void): Promise<StagedResource> =>
    client.stage({
      owner: { ...owner, namespace: `spark-${clients.length}` },
      files: [{ path: join(work, name) }],
      ...(onProgress === undefined
        ? {}
        : { onProgress: ({ phase, bytes }) => phase !== 'hashing' && onProgress(bytes) }),
    })

  async function expectFetched(client: StagingClient, staged: StagedResource, name: string): Promise<void> {
    const to = join(work, 'to')
    await client.fetch({ resourceId: staged.resourceId, secret: staged.resourceSecret, to })
    expect(readFileSync(join(to, name)).equals(readFileSync(join(work, name)))).toBe(true)
    rmSync(to, { recursive: true })
  }

  it('as it comes, a body above its limit is refused with the name of the setting, and a small one passes', async () => {
    const client = await behind('')
    await expect(stage(client, 'large.jar')).rejects.toMatchObject({
      kind: 'tooLarge',
      code: 'proxy-body-limit',
      hint: expect.stringContaining('nginx.ingress.kubernetes.io/proxy-body-size: "0"'),
    })
    await expectFetched(client, await stage(client, 'small.jar'), 'small.jar')
  })

  it('is found out by doctor: a limit of bodies, and none where there is none, whoever buffers', async () => {
    const looked = async (settings: string) => {
      const { server: address } = await behind(settings)
      const question = { client: undefined as never, namespace: 'n', trust: undefined }
      // That pods have another address is not what is looked at here.
      const podServer = 'http://192.0.2.1:1'
      const findings = await examineServer(
        { ...question, server: address.origin, podServer, proxyFor: undefined },
        AbortSignal.timeout(20_000),
      )
      return findings.map(({ says, hint }) => `${says} ${hint}`).join('\n')
    }
    const [limited, buffering, streaming] = await Promise.all([
      looked(''),
      looked('client_max_body_size 0;'),
      looked('client_max_body_size 0; proxy_request_buffering off; proxy_http_version 1.1;'),
    ])
    expect(limited).toMatch(/refuses bodies of 1 GiB .*proxy-body-size: "0"/)
    for (const fine of [buffering, streaming]) {
      expect(fine).toContain('is ready')
      expect(fine).not.toContain('refuses')
    }
  })

  it('with room for bodies, large files pass although it buffers both ways', async () => {
    const client = await behind('client_max_body_size 0;')
    await expectFetched(client, await stage(client, 'large.jar'), 'large.jar')
  })

  it('as the proxy of the environment, it carries uploads and downloads to a server whose name it alone knows', async () => {
    const nginx = await front('client_max_body_size 0; proxy_request_buffering off; proxy_http_version 1.1;')
    const proxyFor = proxiesOf({ HTTP_PROXY: nginx.url })
    const client = createClient({ server: 'http://staging.invalid:10000', proxyFor })
    clients.push(client)
    await expectFetched(client, await stage(client, 'large.jar'), 'large.jar')
  })

  it('that cuts a silent upload, the client goes on where the server was', async () => {
    let stopped = false
    const failures: SupercargoError[] = []
    const client = await behind(
      `client_max_body_size 0; proxy_request_buffering off; proxy_http_version 1.1; ${impatient}`,
      server.url,
      (failure) => {
        failures.push(failure)
        process.kill(server.pid, 'SIGCONT')
      },
    )
    const staged = await stage(client, 'large.jar', (sent) => {
      if (stopped || sent < 8 * MiB) return
      stopped = true
      process.kill(server.pid, 'SIGSTOP')
    })
    expect(failures.length).toBeGreaterThan(0)
    for (const { kind } of failures) expect(['unavailable', 'interrupted']).toContain(kind)
    await expectFetched(client, staged, 'large.jar')
  })

  it('that cuts a silent download, the client goes on with the bytes that it has', async () => {
    let stopped = false
    const failures: SupercargoError[] = []
    const client = await behind(`client_max_body_size 0; proxy_buffering off; ${impatient}`, server.url, (failure) => {
      failures.push(failure)
      process.kill(server.pid, 'SIGCONT')
    })
    const staged = await stage(client, 'large.jar')
    const to = join(work, 'cut')
    const { fetchedBytes } = await client.fetch({
      resourceId: staged.resourceId,
      secret: staged.resourceSecret,
      to,
      onProgress: ({ bytes: fetched }) => {
        if (stopped || fetched < 8 * MiB) return
        stopped = true
        process.kill(server.pid, 'SIGSTOP')
      },
    })
    expect(failures.map(({ kind }) => kind)).toContain('interrupted')
    expect(readFileSync(join(to, 'large.jar')).equals(bytes)).toBe(true)
    // What had come did not come again.
    expect(fetchedBytes).toBeLessThan(bytes.length + MiB)
  })

  it('that reaches no server, says so and is tried again', async () => {
    const failures: SupercargoError[] = []
    const client = await behind('', `http://127.0.0.1:${await freePort()}`, (failure) => void failures.push(failure))
    await expect(
      client.stage({ owner, files: [{ path: join(work, 'small.jar') }], signal: AbortSignal.timeout(3000) }),
    ).rejects.toBeDefined()
    expect(failures[0]).toMatchObject({
      kind: 'unavailable',
      code: 'http-502',
      hint: expect.stringContaining('does not reach it'),
    })
  })
})
