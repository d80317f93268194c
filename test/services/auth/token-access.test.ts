/** Who may stage and fetch: the real server, under the rights that we ship, asking a real API server. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { listingSchema } from '@supercargo/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { FaultyProxy } from '../../faults/faulty-proxy.ts'
import { command, ended, type ServerProcess, startStagingServer } from '../../process/staging-server.ts'
import { kubectl } from '../kubernetes/kubectl.ts'
import { describeWith, type OwnInstance, ownInstance, provisionTimeoutMs, stopped } from '../running.ts'
import { until } from '../until.ts'
import {
  bind,
  createAccount,
  createNamespaces,
  createPod,
  deploy,
  inThePast,
  kubeconfigOf,
  serverAccount,
  tokenOf,
} from './people.ts'

const audience = 'supercargo'
const stager = { namespace: 'spark', name: 'stager' }
const admin = { namespace: 'spark', name: 'admin' }
const pods = { namespace: 'spark', name: 'default' }
/** A yes is kept for ten seconds here, and for about ten in the API server. */
const yesEndsMs = 40_000

describeWith(['kubernetes'], 'a server that asks the cluster', () => {
  let cluster: OwnInstance<'kubernetes'>
  let proxy: FaultyProxy
  let server: ServerProcess
  let directory: string
  /** Every token that was shown to the server. */
  const shown = new Set<string>()

  beforeAll(async () => {
    cluster = await ownInstance('kubernetes')
    directory = mkdtempSync(join(tmpdir(), 'supercargo-auth-'))
    const { details } = cluster
    await createNamespaces(details, ['supercargo', 'spark', 'other'])
    await kubectl(details, ['apply', '-k', join(deploy, 'base')])
    for (const account of [stager, admin]) await createAccount(details, account)
    await bind(details, 'supercargo-stager', stager, 'spark')
    await bind(details, 'supercargo-admin', admin, 'spark')
    proxy = await FaultyProxy.listen(details.server)
    const reached = proxy.url.replace('http:', 'https:')
    const kubeconfig = kubeconfigOf(details, join(directory, 'kubeconfig'), await token(serverAccount, {}), reached)
    shown.clear()
    const settings = ['--kube', 'none', '--auth', 'kubernetes', '--kubeconfig', kubeconfig]
    server = await startStagingServer({
      arguments: ['--store', join(directory, 'store'), '--log-level', 'trace', ...settings],
    })
  }, provisionTimeoutMs)
  afterAll(async () => {
    await server?.stop()
    await proxy?.close()
    if (directory !== undefined) await rm(directory, { recursive: true })
    expect(await stopped(cluster)).toEqual([])
  })

  async function token(account: typeof stager, options: Parameters<typeof tokenOf>[2] = { audience }): Promise<string> {
    const made = await tokenOf(cluster.details, account, options)
    shown.add(made)
    return made
  }

  const ask = (bearer: string, path = '', init: RequestInit = {}) =>
    fetch(`${server.url}/api/v1/resources${path}`, {
      ...init,
      headers: { ...init.headers, authorization: `Bearer ${bearer}` },
    })

  const podOwner = (more: object = { name: 'driver' }): object => ({ namespace: 'spark', kind: 'Pod', ...more })
  const stageAs = (bearer: string, owner: object = podOwner()): Promise<Response> => {
    const form = new FormData()
    form.set('owner', JSON.stringify(owner))
    form.set('file', new Blob(['bytes']), 'a.jar')
    return ask(bearer, '', { method: 'POST', body: form })
  }
  const refusal = async (answer: Response) => [answer.status, ((await answer.json()) as { code: string }).code]

  it('takes what an allowed account stages, records who it was, and shows it to the admin of the namespace', async () => {
    expect((await stageAs(await token(stager))).status).toBe(201)
    const listed = await ask(await token(admin), '?namespace=spark')
    const { resources } = listingSchema.parse(await listed.json())
    expect(resources.map(({ principal }) => principal)).toContain('system:serviceaccount:spark:stager')
    expect(await refusal(await ask(await token(stager), '?namespace=spark'))).toEqual([403, 'access-refused'])
    expect(await refusal(await ask(await token(admin)))).toEqual([403, 'access-refused'])
  })

  it('refuses an account without the right, another namespace, and one that is not there, each by name', async () => {
    const elsewhere = await stageAs(await token(stager), { ...podOwner(), namespace: 'other' })
    const problem = (await elsewhere.json()) as { status: number; detail: string; hint: string }
    expect(problem).toMatchObject({ status: 403, detail: expect.stringContaining('in namespace other') })
    const [said] = /kubectl create rolebinding \S+ .*/.exec(problem.hint)!
    // What the answer says is what helps.
    await kubectl(cluster.details, said.split(' ').slice(1))
    await until(
      'the right that was given',
      async () => (await stageAs(await token(stager), { ...podOwner(), namespace: 'other' })).status === 201,
      { timeoutMs: yesEndsMs, intervalMs: 500 },
    )
    expect(await refusal(await stageAs(await token(admin)))).toEqual([403, 'access-refused'])
    expect(await refusal(await stageAs(await token(stager), { ...podOwner(), namespace: 'none' }))).toEqual([
      403,
      'access-refused',
    ])
    await createAccount(cluster.details, { namespace: 'spark', name: 'everywhere' })
    const everywhere = ['--clusterrole=cluster-admin', '--serviceaccount=spark:everywhere']
    await kubectl(cluster.details, ['create', 'clusterrolebinding', 'everywhere', ...everywhere])
    const all = await token({ namespace: 'spark', name: 'everywhere' })
    expect(await refusal(await stageAs(all, { ...podOwner(), namespace: 'none' }))).toEqual([404, 'unknown-namespace'])
  })

  it('refuses a token that is expired, of another audience, of another signer, or none', async () => {
    const good = await token(stager)
    const expired = inThePast(cluster.details, good, 24)
    const forged = `${good.slice(0, -8)}AAAAAAAA`
    for (const each of [expired, forged]) shown.add(each)
    for (const bad of [expired, forged, await token(stager, {}), await token(stager, { audience: 'another' })])
      expect(await refusal(await stageAs(bad))).toEqual([401, 'token-refused'])
    // The same claims, shifted by nothing, are good: it is the time that was refused.
    const anew = inThePast(cluster.details, good, 0)
    shown.add(anew)
    expect((await stageAs(anew)).status).toBe(201)
    const without = await fetch(`${server.url}/api/v1/resources`, { method: 'POST', body: '{}' })
    expect(without.status).toBe(415)
    const headers = { 'content-type': 'application/json' }
    const nobody = await fetch(`${server.url}/api/v1/resources`, { method: 'POST', body: '{}', headers })
    expect(await refusal(nobody)).toEqual([401, 'token-missing'])
  })

  it('refuses an account that was deleted and a right that was taken, within seconds', async () => {
    const gone = { namespace: 'spark', name: 'gone' }
    const left = { namespace: 'spark', name: 'left' }
    for (const account of [gone, left]) {
      await createAccount(cluster.details, account)
      await bind(cluster.details, 'supercargo-stager', account, 'spark')
      const given = async () => (await stageAs(await token(account))).status === 201
      await until('the right', given, { timeoutMs: yesEndsMs, intervalMs: 500 })
    }
    const [goneToken, leftToken] = [await token(gone), await token(left)]
    expect([(await stageAs(goneToken)).status, (await stageAs(leftToken)).status]).toEqual([201, 201])
    await kubectl(cluster.details, ['delete', 'serviceaccount', 'gone', '--namespace', 'spark'])
    await kubectl(cluster.details, ['delete', 'rolebinding', 'supercargo-stager-left', '--namespace', 'spark'])
    const until401 = async () => (await stageAs(goneToken)).status === 401
    const until403 = async () => (await stageAs(leftToken)).status === 403
    await until('the end of the account', until401, { timeoutMs: yesEndsMs, intervalMs: 500 })
    await until('the end of the right', until403, { timeoutMs: yesEndsMs, intervalMs: 500 })
  })

  it('gives a resource to the pod that owns it and to what belongs to that, not to another, and not without the pod', async () => {
    const { details } = cluster
    const jobSpec = {
      suspend: true,
      template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'a' }] } },
    }
    const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { namespace: 'spark', name: 'etl' }, spec: jobSpec }
    const made = await kubectl(details, ['create', '-o', 'json', '-f', '-'], JSON.stringify(job))
    const reference = (apiVersion: string, kind: string, { name, uid }: { name: string; uid: string }) => ({
      ownerReferences: [{ apiVersion, kind, name, uid }],
    })
    const jobMeta = (JSON.parse(made) as { metadata: { name: string; uid: string } }).metadata
    const labels = { 'supercargo.io/claim': 'claimed' }
    const driver = await createPod(details, 'spark', 'driver', { ...reference('batch/v1', 'Job', jobMeta), labels })
    const executor = await createPod(details, 'spark', 'executor', reference('v1', 'Pod', driver))
    const stranger = await createPod(details, 'spark', 'stranger')
    const tokens = await Promise.all([driver, executor, stranger].map((pod) => token(pods, { audience, pod })))
    const foreign = await createPod(details, 'other', 'driver', { labels })
    tokens.push(await token({ namespace: 'other', name: 'default' }, { audience, pod: foreign }))
    // Of the account alone, without a pod.
    tokens.push(await token(pods))
    const owners: Record<string, object> = {
      uid: podOwner({ uid: driver.uid }),
      name: podOwner(),
      labels: podOwner({ labels }),
      job: { namespace: 'spark', apiVersion: 'batch/v1', kind: 'Job', name: 'etl' },
    }
    for (const [how, owner] of Object.entries(owners)) {
      const { resourceId } = (await (await stageAs(await token(stager), owner)).json()) as { resourceId: string }
      const answers = await Promise.all(tokens.map((each) => ask(each, `/${resourceId}/files/a.jar`)))
      expect(
        answers.map(({ status }) => status),
        how,
      ).toEqual([200, 200, 401, 401, 401])
      expect(await answers[0]!.text()).toBe('bytes')
    }
    const { resourceId } = (await (await stageAs(await token(stager))).json()) as { resourceId: string }
    const plan = { version: 1, root: join(directory, 'root'), staging: { url: server.url } }
    writeFileSync(join(directory, 'token'), tokens[1]!)
    const items = [{ resource: resourceId, tokenFile: join(directory, 'token') }]
    writeFileSync(join(directory, 'plan.json'), JSON.stringify({ ...plan, items }))
    expect(await run(['localize', join(directory, 'plan.json')])).toEqual([0, expect.any(String)])
    expect(readFileSync(join(directory, 'root', 'a.jar'), 'utf8')).toBe('bytes')
    await kubectl(details, ['delete', 'pod', 'driver', '--namespace', 'spark', '--grace-period=0', '--force'])
    const refused = async () => (await ask(tokens[0]!, `/${resourceId}/files/a.jar`)).status === 401
    await until('the end of the pod', refused, { timeoutMs: yesEndsMs, intervalMs: 500 })
  })

  it('works for the command: stage with a token, look and release with the right to it', async () => {
    writeFileSync(join(directory, 'stager'), await token(stager))
    writeFileSync(join(directory, 'admin'), await token(admin))
    writeFileSync(join(directory, 'b.txt'), 'text')
    const as = (name: string) => ['--server', server.url, '--token-file', join(directory, name), '--json']
    const [code, said] = await run([
      'stage',
      join(directory, 'b.txt'),
      '-n',
      'spark',
      '--owner',
      'Pod/x',
      ...as('stager'),
    ])
    expect(code).toBe(0)
    const { resourceId } = JSON.parse(said) as { resourceId: string }
    const [listCode, listed] = await run(['resources', 'list', '-n', 'spark', ...as('admin')])
    expect([listCode, listed]).toEqual([0, expect.stringContaining('system:serviceaccount:spark:stager')])
    expect((await run(['resources', 'show', resourceId, ...as('admin')]))[0]).toBe(0)
    expect((await run(['resources', 'release', resourceId, ...as('stager')]))[0]).toBe(77)
    expect((await run(['resources', 'release', resourceId, ...as('admin')]))[0]).toBe(0)
  })

  it('answers 503 while the API server is stopped or not to be reached, and goes on when it is back', async () => {
    const fresh = async () => await token(stager)
    const [first, second, third] = [await fresh(), await fresh(), await fresh()]
    const kept = (await (await stageAs(first)).json()) as { resourceId: string; resourceSecret: string }
    proxy.plan = () => ({ refuse: true })
    proxy.breakAll()
    const refused = await stageAs(second)
    expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([503, true])
    expect((await ask(kept.resourceSecret, `/${kept.resourceId}/files/a.jar`)).status).toBe(200)
    proxy.plan = () => ({})
    expect((await stageAs(second)).status).toBe(201)
    const pid = Number(cluster.details.apiserverPid)
    process.kill(pid, 'SIGSTOP')
    try {
      expect((await stageAs(third)).status).toBe(503)
      expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
    } finally {
      process.kill(pid, 'SIGCONT')
    }
    await until('the API server', async () => (await stageAs(third)).status === 201, { timeoutMs: 60_000 })
  })

  it('asks once for many, and not again for seconds', async () => {
    const many = await token(stager)
    const before = await metric('supercargo_auth_decisions_total{question="token",verdict="yes"}')
    const connections = proxy.bytesUp
    await stageAs(many)
    const once = proxy.bytesUp - connections
    const answers = await Promise.all(Array.from({ length: 50 }, () => stageAs(many)))
    expect(answers.filter(({ status }) => status !== 201)).toEqual([])
    expect(proxy.bytesUp - connections).toBeLessThan(3 * once)
    expect(await metric('supercargo_auth_decisions_total{question="token",verdict="yes"}')).toBe(before + 51)
  })

  it('never writes a token, to its log or its store', async () => {
    const log = server.logged()
    expect(log).toContain('"principal":"system:serviceaccount:spark:stager"')
    const files = readdirSync(join(directory, 'store'), { recursive: true, withFileTypes: true })
      .filter((each) => each.isFile())
      .map((each) => readFileSync(join(each.parentPath, each.name), 'latin1'))
    expect(shown.size).toBeGreaterThan(20)
    for (const each of shown) {
      // Every part of it: a cut token in a message would be no better.
      const parts = each.split('.').slice(1)
      for (const text of [log, ...files]) for (const part of parts) expect(text.includes(part)).toBe(false)
    }
  })

  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`${server.url}/metrics`)).text()
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')
        .at(-1) ?? 0,
    )
  }

  async function run(args: readonly string[]): Promise<readonly [number | null, string]> {
    const child: ChildProcess = spawn(process.execPath, [command, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    child.stdout!.on('data', (text) => {
      said += text
    })
    return [await ended(child), said]
  }
})
