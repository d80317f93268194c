/**
 * The outage suite: a real server sweeps a real cluster through every way in which that can fail to answer. Nothing whose owner
 * lives may go, and collection goes on by itself when it is over. Prints what it saw.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ApiClient, kubeConfigConnection } from '@supercargo/kube'
import {
  type ContractCluster,
  contractCluster,
  type Fault,
  FaultyApiServer,
  isList,
  lostPages,
  type NewOwner,
  noEvidence,
  type SeenRequest,
} from '@supercargo/kube/testing'
import type { Owner } from '@supercargo/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWith, type OwnInstance, ownInstance, provisionTimeoutMs } from '../running.ts'
import { until } from '../until.ts'
import { realUpstream } from './real-upstream.ts'
import { fatalSweeps, type Held, StagingInCluster } from './staging-in-cluster.ts'

/** More than one page of them, so that a page can be lost. */
const crowd = 620
const perSecond = 8

interface Row {
  readonly fault: string
  observed: string
  living: string
  orphan: string
  collected: string
}

describeWith(['kubernetes'], 'an outage of the API server', () => {
  const directory = mkdtempSync(join(tmpdir(), 'supercargo-outage-'))
  const rows: Row[] = []
  let instance: OwnInstance<'kubernetes'>
  let client: ApiClient
  let cluster: ContractCluster
  let upstream: ReturnType<typeof realUpstream>
  let proxy: FaultyApiServer
  let staging: StagingInCluster
  /** By what makes them belong to somebody who lives. */
  const living: [string, Held][] = []
  let orphans = 0
  /** The API server that was started in the place of a killed one. */
  let again: ChildProcess | undefined

  beforeAll(async () => {
    instance = await ownInstance('kubernetes')
    const connection = await kubeConfigConnection({ kubeconfig: instance.details.kubeconfig, environment: {} })
    client = new ApiClient(connection!)
    cluster = contractCluster(client)
    upstream = realUpstream(instance.details.kubeconfig)
    proxy = await FaultyApiServer.start({ upstream: upstream.ask })
    for (const namespace of ['crowd', 'few']) await cluster.createNamespace(namespace)
    await inParallel(crowd, (n) => cluster.create(pod('crowd', `crowd-${String(n).padStart(4, '0')}`)))
    staging = await StagingInCluster.start(directory, proxy.connection.server.href)
    await stageLiving()
  }, provisionTimeoutMs)

  afterAll(async () => {
    const columns = ['fault', 'observed', 'living', 'orphan', 'collected'] as const
    const widths = columns.map((name) => Math.max(name.length, ...rows.map((row) => row[name].length)))
    const line = (cells: readonly string[]) =>
      cells
        .map((cell, n) => cell.padEnd(widths[n]!))
        .join('  ')
        .trimEnd()
    const table = [line(columns), ...rows.map((row) => line(columns.map((name) => row[name])))]
    process.stdout.write(`\n${table.join('\n')}\n\n`)
    await staging?.stop()
    await client?.close()
    upstream?.close()
    await proxy?.stop()
    again?.kill('SIGKILL')
    await instance?.stop()
    rmSync(directory, { recursive: true })
  })

  function pod(namespace: string, name: string, labels: Record<string, string> = {}): NewOwner {
    return { apiVersion: 'v1', kind: 'Pod', namespace, name, labels }
  }

  const named = ({ apiVersion, kind, namespace, name }: NewOwner): Owner => ({ apiVersion, kind, namespace, name })

  async function stageLiving(): Promise<void> {
    const owners: [string, Owner | readonly Owner[]][] = [
      ['the first of a crowd', named(pod('crowd', 'crowd-0000'))],
      ['the last of a crowd', named(pod('crowd', `crowd-${String(crowd - 1).padStart(4, '0')}`))],
    ]
    const job: NewOwner = { apiVersion: 'batch/v1', kind: 'Job', namespace: 'few', name: 'job' }
    owners.push(['a uid', { apiVersion: 'batch/v1', kind: 'Job', namespace: 'few', uid: await cluster.create(job) }])
    const cron: NewOwner = { apiVersion: 'batch/v1', kind: 'CronJob', namespace: 'few', name: 'nightly' }
    await cluster.create(cron)
    owners.push(['a schedule between runs', named(cron)])
    owners.push(['one of two', [named(pod('few', 'never-there')), named(cron)]])
    const relabelled = pod('few', 'relabelled', { app: 'before' })
    await cluster.create(relabelled)
    const { name: _, ...labelled } = { ...named(relabelled), labels: { app: 'before' } }
    owners.push(['labels that were changed', labelled])
    for (const [why, owner] of owners) living.push([why, await staging.stage(owner)])
    for (const [, held] of living) await staging.until(held, 'bound')
    await cluster.relabel(relabelled, { app: 'after' })
    await staging.sweeps(fatalSweeps)
  }

  async function lost(): Promise<string[]> {
    const gone: string[] = []
    for (const [why, held] of living) if ((await staging.explain(held)) === undefined) gone.push(why)
    return gone
  }

  /** A resource whose owner is seen, and gone while the fault lasts. */
  async function outage(
    fault: string,
    begin: () => unknown,
    end: () => unknown,
    { sweeps = fatalSweeps, release = false, during = async (): Promise<unknown> => undefined } = {},
  ): Promise<void> {
    const row: Row = { fault, observed: '', living: '', orphan: '', collected: 'never' }
    rows.push(row)
    const owner = pod('crowd', `orphan-${++orphans}`)
    await cluster.create(owner)
    const orphan = await staging.stage(named(owner))
    await staging.until(orphan, 'bound')
    await cluster.remove(owner)
    await begin()
    await (sweeps > 0 ? staging.sweeps(sweeps) : during())
    const status = await staging.status().catch(() => undefined)
    row.observed =
      [status?.pauseCode, ...Object.keys(status?.unknownOwners ?? {})].filter(Boolean).join(', ') || 'nothing'
    row.living = `${living.length - (await lost()).length} of ${living.length} kept`
    row.orphan = (await staging.explain(orphan).catch(() => undefined))?.state ?? 'gone'
    await end()
    if (release) await until('the release', async () => (await staging.release()) === 200, { timeoutMs: 10_000 })
    const healedMs = performance.now()
    await staging.until(orphan, 'gone')
    row.collected = `${release ? 'released, ' : ''}${((performance.now() - healedMs) / 1000).toFixed(1)} s after`
    expect(await lost()).toEqual([])
  }

  const always = () => true
  const identity = ({ path }: SeenRequest) => path.endsWith('/namespaces/kube-system')
  const heal = () => proxy.heal()

  it('nothing is wrong: an orphan goes within two sweeps, the grace and the time in which it is still served', async () => {
    await outage('none', () => undefined, heal, { sweeps: 1 })
  })

  /** Those that make a sweep take long: it is enough that one has ended so. */
  const slow = new Set(['429 of the queue, plain text', 'no answer'])

  it.each(noEvidence.filter(({ code }) => code !== 'kube-list-older'))(
    'lists: $name',
    async ({ name, fault, code }) => {
      const ended = async () => ((await staging.status()).unknownOwners[code] ?? 0) > 0
      const during = () => until('a sweep that ended so', ended, { timeoutMs: 180_000 })
      await outage(name, () => proxy.fault({ fault }), heal, slow.has(name) ? { sweeps: 0, during } : {})
      expectKept(code)
    },
  )

  it.each(lostPages)('lists of several pages: $name', async ({ name, fault, code }) => {
    const when = code === 'kube-list-cut' ? isFirstPage : isLastPage
    await outage(name, () => proxy.fault({ fault, when }), heal)
    expectKept(code)
  })

  it.each([
    ['an older version, once', { rewrite: (body: object) => ({ ...body, metadata: { resourceVersion: '2' } }) }],
    ['an older page of a stale replica, once', { rewrite: asOf('3') }],
  ] as [string, Fault][])('lists: %s', async (name, fault) => {
    await outage(name, () => proxy.fault({ fault, times: 1 }), heal)
  })

  it('a backup was restored: versions stay back, and everything stands still until somebody releases it', async () => {
    await outage('versions that went back', () => proxy.fault({ fault: { rewrite: asOf('2') } }), heal, {
      release: true,
    })
    expect(rows.at(-1)!.observed).toContain('versions-went-back')
  })

  it('another cluster answers, and has nothing', async () => {
    const elsewhere: Fault = { rewrite: (body) => ({ ...body, metadata: { ...body.metadata, uid: 'another' } }) }
    const begin = () => {
      proxy.fault({ fault: elsewhere, when: identity })
      proxy.fault({
        fault: { rewrite: (body) => ({ ...body, items: null, metadata: { resourceVersion: '99999999' } }) },
      })
    }
    await outage('another cluster', begin, heal)
    expect(rows.at(-1)!.observed).toContain('other-cluster')
  })

  it('the cluster turns into another one between the lists of a sweep', async () => {
    const elsewhere: Fault = { rewrite: (body) => ({ ...body, metadata: { ...body.metadata, uid: 'another' } }) }
    let asked = 0
    const begin = () => {
      proxy.fault({ fault: elsewhere, when: (request) => identity(request) && ++asked % 2 === 0 })
      proxy.fault({ fault: { rewrite: (body) => ({ ...body, items: null }) } })
    }
    await outage('another cluster half-way', begin, heal)
  })

  it('everything is empty, as complete and well-formed as can be: the breaker', async () => {
    const empty: Fault = {
      rewrite: ({ metadata, ...body }) => ({
        ...body,
        metadata: { resourceVersion: metadata.resourceVersion },
        items: null,
      }),
    }
    const more: Held[] = []
    for (let n = 0; n < 25; n++)
      more.push(await staging.stage(named(pod('crowd', `crowd-${String(n).padStart(4, '0')}`))))
    for (const held of more) await staging.until(held, 'bound')
    await outage('all lists empty and complete', () => proxy.fault({ fault: empty }), heal, { release: true })
    expect(rows.at(-1)!.observed).toContain('breaker')
    for (const held of more) expect(await staging.explain(held)).toMatchObject({ state: 'bound' })
  })

  it('its clock is years away', async () => {
    const skewed: Fault = {
      rewrite: (body) => ({
        ...body,
        items:
          body.items?.map((item: { metadata: object }) => ({
            ...item,
            metadata: { ...item.metadata, creationTimestamp: '2099-01-01T00:00:00Z' },
          })) ?? null,
      }),
    }
    await outage('a clock that is years ahead', () => proxy.fault({ fault: skewed }), heal, { sweeps: 2 })
  })

  it.each([
    ['the connection is cut, every other time', { cutAfter: 0 } as Fault],
    ['the body is cut, every other time', { cutAfter: 0.5 } as Fault],
  ])('%s', async (name, fault) => {
    let count = 0
    await outage(name, () => proxy.fault({ fault, when: () => ++count % 2 === 0 }), heal)
  })

  it('it is paused for a while', async () => {
    const pid = Number(instance.details.apiserverPid)
    const pause = async () => {
      process.kill(pid, 'SIGSTOP')
      await new Promise((resolve) => setTimeout(resolve, 3000))
      process.kill(pid, 'SIGCONT')
    }
    await outage('the API server paused (SIGSTOP) for 3 s', pause, heal, { sweeps: 1 })
  })

  it('the server itself is killed in the middle of a sweep, and started again', async () => {
    await outage(
      'the staging server killed in mid-sweep',
      () => proxy.fault({ fault: { stall: true }, when: isList }),
      heal,
      {
        sweeps: 0,
        during: async () => {
          const from = proxy.requests.length
          await until('a list that waits', async () => proxy.requests.slice(from).some(isList), { timeoutMs: 20_000 })
          await staging.kill()
          proxy.heal()
          await staging.start()
          await staging.sweeps(2)
        },
      },
    )
  })

  it('every request fails once, one after the other', async () => {
    for (let n = 0; n < 24; n++)
      proxy.fault({ fault: { answer: { status: 500, body: 'no' } }, when: always, after: n * 5, times: 1 })
    await outage('each request once', () => undefined, heal)
  })

  it('it is killed and comes back', async () => {
    const pid = Number(instance.details.apiserverPid)
    const [program, ...argv] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1)
    const restart = async () => {
      again = spawn(program!, argv, { stdio: 'ignore' })
      const ready = () =>
        client.request({ what: 'ready', path: '/readyz' }, AbortSignal.timeout(2000)).then(
          ({ status }) => status === 200,
          () => false,
        )
      await until('the API server', ready, { timeoutMs: 60_000 })
    }
    await outage('the API server killed (SIGKILL)', () => process.kill(pid, 'SIGKILL'), restart)
  })

  /** Of a list with several pages: a whole list that is wrong looks like any other, and is what the breaker is for. */
  function isLastPage(request: SeenRequest): boolean {
    return isList(request) && request.path.includes('/crowd/') && request.query.has('continue')
  }

  function isFirstPage(request: SeenRequest): boolean {
    return isList(request) && request.path.includes('/crowd/') && !request.query.has('continue')
  }

  /** The reason was seen, and nothing was concluded from it. */
  function expectKept(code: string): void {
    const { observed, orphan } = rows.at(-1)!
    expect(observed).toContain(code)
    expect(orphan).not.toBe('gone')
  }

  function asOf(resourceVersion: string): (body: { metadata: object }) => object {
    return (body) => ({ ...body, metadata: { ...body.metadata, resourceVersion } })
  }

  async function inParallel(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
    let next = 0
    await Promise.all(
      Array.from({ length: perSecond }, async () => {
        while (next < count) await work(next++)
      }),
    )
  }
})
