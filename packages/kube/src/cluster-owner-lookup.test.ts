/** The lookup against an API server that answers wrongly: whatever comes, a living owner is never called absent. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApiClient } from './api-client.ts'
import { createClusterOwnerLookup } from './cluster-owner-lookup.ts'
import { noMemory, type OwnerQuery } from './owner-lookup.ts'
import { type Fault, lostPages, noEvidence } from './testing/faults.ts'
import { FaultyApiServer, isList } from './testing/faulty-api-server.ts'
import { ownerLookupContract } from './testing/owner-lookup-contract.ts'

ownerLookupContract('the double', async () => {
  const server = await FaultyApiServer.start()
  const client = new ApiClient(server.connection)
  return { client, close: () => client.close().then(() => server.stop()) }
})

const signal = (): AbortSignal => AbortSignal.timeout(20_000)

describe('a lookup in a cluster that answers wrongly', () => {
  let server: FaultyApiServer
  let client: ApiClient
  /** Every second owner lives. */
  let queries: OwnerQuery[]
  let slept: number[]

  const lives = (position: number): boolean => position % 2 === 0
  const lookup = (options = {}) => {
    const sleep = async (ms: number) => void slept.push(ms)
    return createClusterOwnerLookup(client, { pageObjects: 4, requestDeadlineMs: 300, sleep, ...options })
  }

  beforeEach(async () => {
    server = await FaultyApiServer.start()
    client = new ApiClient(server.connection)
    slept = []
    queries = []
    for (let n = 0; n < 24; n++) {
      const namespace = `team-${n % 2}`
      const labels = { id: `${n}` }
      queries.push({
        owner:
          n % 3 === 0
            ? { apiVersion: 'v1', kind: 'Pod', namespace, labels }
            : { apiVersion: 'v1', kind: 'Pod', namespace, name: `pod-${n}` },
      })
      if (lives(n))
        server.cluster.put({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace, name: `pod-${n}`, labels } })
    }
    // Living pods stand in even namespaces only by their number, so the second namespace has some of its own.
    for (let n = 0; n < 9; n++)
      server.cluster.put({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'team-1', name: `other-${n}` } })
  })
  afterEach(async () => {
    await client.close()
    await server.stop()
  })

  async function sweepIsSafe(options = {}, memory = noMemory): Promise<Set<string>> {
    const { owners } = await lookup(options).sweep(queries, memory, signal())
    const codes = new Set<string>()
    for (const [position, answer] of owners.entries()) {
      if (lives(position)) expect(answer.state, `owner ${position}`).not.toBe('absent')
      if (answer.state === 'unknown') codes.add(answer.code)
    }
    return codes
  }

  it('has evidence for every owner when nothing is wrong', async () => {
    for (const namespacedListsMax of [0, 8]) {
      const { owners, clusterUid, scopes } = await lookup({ namespacedListsMax }).sweep(queries, noMemory, signal())
      expect(owners.map(({ state }) => state)).toEqual(queries.map((_, n) => (lives(n) ? 'present' : 'absent')))
      expect(clusterUid).toBe(server.cluster.uid)
      expect(scopes.length).toBe(namespacedListsMax === 0 ? 1 : 2)
    }
  })

  describe.each([...noEvidence])('answered by: $name', ({ fault, code }) => {
    it.each([
      ['the first page of the whole cluster', 0, 0],
      ['a later page of the whole cluster', 0, 2],
      ['the first page of a namespace', 8, 0],
      ['a later page of a namespace', 8, 1],
    ])('at %s, nothing that was not seen is absent', async (_, namespacedListsMax, after) => {
      // Between pages an older version is another version.
      const codes = new Set(code === 'kube-list-older' && after > 0 ? ['kube-list-torn', code] : [code])
      const memory = { clusterUid: undefined, versions: { kubernetes: '2' } }
      // A refusal of the whole cluster is answered by its namespaces: refuse those as well.
      server.fault({ fault, after })
      const { owners, scopes } = await lookup({ namespacedListsMax }).sweep(queries, memory, signal())
      const broken = scopes.filter(({ complete }) => !complete)
      expect(broken.length).toBeGreaterThan(0)
      for (const scope of broken) expect([...codes]).toContain(scope.code)
      for (const [position, answer] of owners.entries()) {
        const { namespace } = queries[position]!.owner
        const hit = broken.some((scope) => scope.namespace === undefined || scope.namespace === namespace)
        if (lives(position) || hit) expect(answer.state, `owner ${position}`).not.toBe('absent')
        if (!lives(position) && hit) expect(answer.state === 'unknown' && codes.has(answer.code)).toBe(true)
      }
      server.heal()
      expect(await sweepIsSafe({}, memory)).toEqual(new Set())
    })

    it('confirms nothing', async () => {
      server.fault({ fault })
      const memory = { clusterUid: server.cluster.uid, versions: { kubernetes: '2' } }
      for (const position of [1, 3]) {
        expect(await lookup().confirm(queries[position]!, memory, signal())).toMatchObject({ state: 'unknown', code })
      }
    })
  })

  it.each([...lostPages])('calls nothing absent with $name', async ({ fault, code }) => {
    const pages = Math.ceil(server.cluster.all('v1', 'Pod').length / 4)
    for (let after = 0; after < pages; after++) {
      server.heal()
      server.fault({ fault, after, times: 1 })
      const codes = await sweepIsSafe({ namespacedListsMax: 0 })
      const announced = after < pages - 1 || code !== 'kube-list-cut'
      expect(codes, `page ${after}`).toEqual(new Set(announced ? [code] : []))
    }
  })

  it('never calls a living owner absent, whichever request fails, and comes back by itself', async () => {
    for (const { fault, name } of noEvidence.filter((row) => !('stall' in row.fault))) {
      for (let n = 0; ; n++) {
        server.heal()
        server.fault({ fault, when: () => true, after: n, times: 1 })
        const before = server.requests.length
        await sweepIsSafe({}, { clusterUid: server.cluster.uid, versions: { kubernetes: '2' } })
        expect(n, name).toBeLessThan(40)
        if (server.requests.length - before <= n) break
      }
    }
    server.heal()
    expect(await sweepIsSafe()).toEqual(new Set())
  }, 60_000)

  it('never calls a living owner absent under any mixture of faults', async () => {
    const faults: readonly Fault[] = [...noEvidence, ...lostPages]
      .map(({ fault }) => fault)
      .filter((fault) => !('stall' in fault))
    const rule = fc.record({
      fault: fc.constantFrom(...faults),
      after: fc.nat(8),
      times: fc.integer({ min: 1, max: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(rule, { maxLength: 3 }), fc.constantFrom(0, 8), async (rules, namespacedListsMax) => {
        server.heal()
        for (const each of rules) server.fault({ ...each, when: isList })
        await sweepIsSafe({ namespacedListsMax }, { clusterUid: server.cluster.uid, versions: { kubernetes: '50' } })
      }),
      { numRuns: 150 },
    )
  }, 60_000)

  it('pages on while the cluster changes, as of its first page', async () => {
    let changed = false
    server.fault({
      when: (request) => {
        if (isList(request) && request.query.has('continue') && !changed) {
          changed = true
          server.cluster.put({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'team-0', name: 'late' } })
        }
        return false
      },
      fault: { stall: true },
    })
    expect(await sweepIsSafe({ namespacedListsMax: 0 })).toEqual(new Set())
    expect(changed).toBe(true)
  })

  it('never follows the continue token of a 410', async () => {
    server.fault({
      when: (request) => {
        if (isList(request) && request.query.has('continue')) {
          server.cluster.tick()
          server.cluster.compact()
        }
        return false
      },
      fault: { stall: true },
    })
    expect(await sweepIsSafe({ namespacedListsMax: 0 })).toEqual(new Set(['kube-expired']))
    expect(server.requests.filter(isList)).toHaveLength(2)
  })

  it('asks namespace by namespace where the whole cluster is refused, and remembers the refusal', async () => {
    let nowMs = 0
    const patient = lookup({ namespacedListsMax: 0, now: () => nowMs })
    server.rules.forbids = ({ path }) => path === '/api/v1/pods' || path.includes('/team-1/')
    const { owners } = await patient.sweep(queries, noMemory, signal())
    expect(owners.map((each) => (each.state === 'unknown' ? each.code : each.state))).toEqual(
      queries.map((_, n) => (n % 2 === 1 ? 'kube-forbidden' : 'present')),
    )
    const wide = (): number => server.requests.filter(({ path }) => path === '/api/v1/pods').length
    await patient.sweep(queries, noMemory, signal())
    expect(wide()).toBe(1)
    nowMs += 600_000
    server.rules.forbids = () => false
    const { scopes } = await patient.sweep(queries, noMemory, signal())
    expect(scopes.map(({ namespace }) => namespace)).toEqual([undefined])
  })

  it('obeys Retry-After for every list, and gives up after a few', async () => {
    const { fault } = noEvidence.find(({ code }) => code === 'kube-throttled')!
    server.fault({ fault, times: 2 })
    expect(await sweepIsSafe({ now: () => 0 })).toEqual(new Set())
    expect(slept.slice(0, 2)).toEqual([1000, 1000])
    server.heal()
    server.fault({ fault })
    expect(await sweepIsSafe({ now: () => 0 })).toEqual(new Set(['kube-throttled']))
  })

  it('stops a sweep when the API server is silent, but not for one kind that hangs', async () => {
    server.fault({ fault: { stall: true }, when: ({ path }) => path.includes('/batch/') })
    for (const namespace of ['a', 'b', 'c', 'd']) {
      queries.push({ owner: { apiVersion: 'batch/v1', kind: 'Job', namespace, name: 'x' } })
    }
    const { owners, scopes } = await lookup({ requestDeadlineMs: 100 }).sweep(queries, noMemory, signal())
    expect(owners.slice(0, 24).every(({ state }) => state !== 'unknown')).toBe(true)
    expect(owners.slice(24).map((each) => each.state === 'unknown' && each.code)).toEqual(
      Array(4).fill('kube-deadline'),
    )
    expect(scopes.filter(({ kind }) => kind === 'Job')).toHaveLength(1)
    server.heal()
    for (const kind of ['Deployment', 'StatefulSet', 'ReplicaSet', 'DaemonSet']) {
      queries.push({ owner: { apiVersion: 'apps/v1', kind, namespace: 'a', name: 'x' } })
    }
    server.fault({ fault: { stall: true }, when: () => true, after: 1 })
    server.requests.length = 0
    const silent = await lookup({ requestDeadlineMs: 100, identityDeadlineMs: 100 }).sweep(queries, noMemory, signal())
    expect(new Set(silent.owners.map(({ state }) => state))).toEqual(new Set(['unknown']))
    // The identity, a list each of four kinds at once, the question whether anybody is there, and the identity again.
    expect(server.requests.length).toBeLessThanOrEqual(10)
  })

  it('ends a sweep that takes too long', async () => {
    let nowMs = 0
    server.fault({
      when: () => {
        nowMs += 1000
        return false
      },
      fault: { stall: true },
    })
    expect(await sweepIsSafe({ now: () => nowMs, sweepDeadlineMs: 2500 })).toContain('kube-sweep-deadline')
  })

  it('knows nothing when the cluster changes under the sweep, or does not say who it is', async () => {
    const { cluster } = server
    const identity = ({ path }: { path: string }) => path.endsWith('/kube-system')
    const other = JSON.stringify({ kind: 'Namespace', metadata: { name: 'kube-system', uid: 'other' } })
    server.fault({ when: identity, after: 1, fault: { answer: { status: 200, body: other } } })
    const swept = await lookup().sweep(queries, noMemory, signal())
    expect([swept.clusterUid, swept.versions]).toEqual([undefined, {}])
    expect(new Set(swept.owners.map(({ state }) => state))).toEqual(new Set(['unknown']))
    server.heal()
    server.rules.forbids = identity
    expect(await sweepIsSafe()).toEqual(new Set(['kube-forbidden']))
    const memory = { clusterUid: cluster.uid, versions: {} }
    expect(await lookup().confirm(queries[1]!, memory, signal())).toMatchObject({ code: 'kube-forbidden' })
  })

  it('knows nothing from a list of another namespace than it asked for', async () => {
    const rewrite = (body: { items: { metadata: object }[] }): object => ({
      ...body,
      items: body.items.map((item) => ({ metadata: { ...item.metadata, namespace: 'elsewhere' } })),
    })
    server.fault({ fault: { rewrite } })
    expect(await sweepIsSafe()).toEqual(new Set(['kube-not-a-list']))
  })

  it('asks again where a kind is, once its list is not found', async () => {
    const kind = { apiVersion: 'flink.apache.org/v1', kind: 'FlinkDeployment', namespaced: true }
    server.cluster.kinds.push({ ...kind, plural: 'old' })
    const owner = { apiVersion: kind.apiVersion, kind: kind.kind, namespace: 'team-0', name: 'x' }
    server.cluster.put({ ...kind, metadata: { namespace: 'team-0', name: 'x' } })
    const steady = lookup()
    const state = async (): Promise<string> => (await steady.sweep([{ owner }], noMemory, signal())).owners[0]!.state
    expect(await state()).toBe('present')
    server.cluster.kinds.pop()
    server.cluster.kinds.push({ ...kind, plural: 'new' })
    expect([await state(), await state()]).toEqual(['unknown', 'present'])
  })

  it('lets go of completed pods only where that is wanted', async () => {
    const place = { namespace: 'team-0', name: 'done' }
    server.cluster.put({ apiVersion: 'v1', kind: 'Pod', metadata: place, status: { phase: 'Succeeded' } })
    const owner = { apiVersion: 'v1', kind: 'Pod', ...place }
    const both: OwnerQuery[] = [{ owner }, { owner, keptUntil: 'completed' }]
    const { owners, ...memory } = await lookup().sweep(both, noMemory, signal())
    expect(owners.map(({ state }) => state)).toEqual(['present', 'absent'])
    expect((await lookup().confirm(both[1]!, memory, signal())).state).toBe('absent')
    server.cluster.put({ apiVersion: 'v1', kind: 'Pod', metadata: place, status: { phase: 'Running' } })
    const again = await lookup().sweep(both, memory, signal())
    expect(again.owners.map(({ state }) => state)).toEqual(['present', 'present'])
  })

  it('asks for a page that is too large in parts', async () => {
    const blob = 'x'.repeat(100_000)
    for (let n = 0; n < 12; n++) {
      const metadata = { namespace: 'team-0', name: `fat-${n}`, annotations: { blob } }
      server.cluster.put({ apiVersion: 'v1', kind: 'Pod', metadata })
    }
    await client.close()
    client = new ApiClient(server.connection, { bytesMax: 250_000 })
    expect(await sweepIsSafe({ namespacedListsMax: 0, pageObjects: 500 })).toEqual(new Set())
    expect(server.requests.filter(isList).map(({ query }) => query.get('limit'))).toContain('4')
    const tiny = new ApiClient(server.connection, { bytesMax: 50_000 })
    const answer = await createClusterOwnerLookup(tiny).sweep(queries, noMemory, signal())
    expect(answer.scopes.find(({ namespace }) => namespace === 'team-0')).toMatchObject({
      code: 'kube-answer-too-large',
    })
    await tiny.close()
  })
})
