/** Who may stage: a yes only from the cluster, only for our audience, and never from an outage. */
import { Secret } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApiClient } from './api-client.ts'
import { noEvidence } from './testing/faults.ts'
import { FaultyApiServer } from './testing/faulty-api-server.ts'
import { type Access, createAccess } from './token-review.ts'

const signal = (): AbortSignal => AbortSignal.timeout(5_000)
const good = new Secret('good-token')

describe('access', () => {
  let server: FaultyApiServer
  let client: ApiClient
  let access: Access
  let nowMs: number

  beforeEach(async () => {
    server = await FaultyApiServer.start()
    client = new ApiClient(server.connection)
    nowMs = 0
    access = createAccess(client, { audience: 'supercargo', now: () => nowMs })
    server.tokens.set('good-token', {
      audiences: ['supercargo'],
      user: {
        username: 'system:serviceaccount:spark:driver',
        uid: 'u1',
        groups: ['system:serviceaccounts'],
        extra: {
          'authentication.kubernetes.io/pod-name': ['driver-1'],
          'authentication.kubernetes.io/pod-uid': ['p1'],
        },
      },
    })
    server.tokens.set('api-token', { audiences: ['https://kubernetes.default.svc'], user: { username: 'admin' } })
  })
  afterEach(async () => {
    await client.close()
    await server.stop()
  })

  it('says who sends a token of our audience, and from which pod', async () => {
    expect(await access.identify(good, signal())).toMatchObject({
      username: 'system:serviceaccount:spark:driver',
      serviceAccount: { namespace: 'spark', name: 'driver' },
      pod: { namespace: 'spark', name: 'driver-1', uid: 'p1' },
    })
  })

  it.each(['bad-token', 'api-token', '', 'a b', 'x'.repeat(20_000), 'new\nline'])('refuses token %j', async (token) => {
    const refused = access.identify(new Secret(token), signal())
    await expect(refused).rejects.toMatchObject({ kind: 'denied', status: 401, code: 'token-refused' })
  })

  it('refuses a yes that does not name our audience', async () => {
    const status = { authenticated: true, user: { username: 'admin' } }
    server.fault({ when: () => true, fault: { answer: { status: 201, body: JSON.stringify({ status }) } } })
    await expect(access.identify(good, signal())).rejects.toMatchObject({ code: 'token-refused' })
  })

  it('asks the cluster for the virtual right, in the namespace, as the caller', async () => {
    const identity = await access.identify(good, signal())
    const asked: unknown[] = []
    server.rules.allows = (spec) => asked.push(spec) > 0 && spec.resourceAttributes?.namespace === 'spark'
    await access.authorize(identity, 'create', 'spark', signal())
    const refused = access.authorize(identity, 'create', 'other', signal())
    await expect(refused).rejects.toMatchObject({ kind: 'denied', status: 403, code: 'access-refused' })
    expect(asked[0]).toMatchObject({
      user: identity.username,
      groups: identity.groups,
      extra: identity.extra,
      resourceAttributes: { namespace: 'spark', verb: 'create', group: 'supercargo.io', resource: 'bundles' },
    })
  })

  it('asks for all namespaces where none is named', async () => {
    const identity = await access.identify(good, signal())
    server.rules.allows = (spec) => spec.resourceAttributes !== undefined && !('namespace' in spec.resourceAttributes)
    await access.authorize(identity, 'list', undefined, signal())
    await expect(access.authorize(identity, 'list', 'spark', signal())).rejects.toMatchObject({ status: 403 })
  })

  it('says in a refusal which verb on what in which namespace, and what an admin would type', async () => {
    const identity = await access.identify(good, signal())
    server.rules.allows = () => false
    await expect(access.authorize(identity, 'create', 'etl', signal())).rejects.toMatchObject({
      message: '"system:serviceaccount:spark:driver" may not create bundles.supercargo.io in namespace etl',
      hint: expect.stringContaining(
        'kubectl create rolebinding supercargo-stager --clusterrole=supercargo-stager --serviceaccount=spark:driver --namespace=etl',
      ),
    })
    const person = { ...identity, username: 'oidc:ann@example.org', serviceAccount: undefined }
    await expect(access.authorize(person, 'delete', undefined, signal())).rejects.toMatchObject({
      message: expect.stringContaining('in all namespaces'),
      hint: expect.stringMatching(
        /kubectl create clusterrolebinding supercargo-admin --clusterrole=supercargo-admin --user=oidc:ann@example.org$/,
      ),
    })
    const odd = { ...person, username: "x'; rm -rf ~\n" }
    const refused = access.authorize(odd, 'get', 'etl', signal())
    await expect(refused).rejects.toMatchObject({ hint: expect.stringContaining("--user='THE USER'") })
  })

  it.each(noEvidence.filter(({ fault }) => 'answer' in fault || 'cutAfter' in fault || 'stall' in fault))(
    'is unavailable, never a yes or a no, when the API server answers: $name',
    async ({ fault }) => {
      const identity = await access.identify(good, signal())
      server.fault({ fault, when: () => true })
      const fresh = createAccess(client, { audience: 'supercargo', deadlineMs: 100 })
      const asked = [fresh.identify(good, signal()), fresh.authorize(identity, 'create', 'spark', signal())]
      for (const each of await Promise.allSettled(asked)) {
        expect(each.status).toBe('rejected')
        const { kind } = (each as PromiseRejectedResult).reason as { kind: string }
        expect(kind).toBe('unavailable')
      }
    },
  )

  it('keeps a yes for ten seconds, a no for one, and a failure not at all', async () => {
    const asked = (): number => server.requests.length
    await access.identify(good, signal())
    nowMs = 9_999
    await access.identify(good, signal())
    expect(asked()).toBe(1)
    server.tokens.clear()
    nowMs = 10_000
    const refuse = () => expect(access.identify(good, signal())).rejects.toMatchObject({ code: 'token-refused' })
    await refuse()
    nowMs = 10_999
    await refuse()
    expect(asked()).toBe(2)
    nowMs = 11_000
    server.fault({ when: () => true, times: 1, fault: { answer: { status: 500, body: '' } } })
    await expect(access.identify(good, signal())).rejects.toMatchObject({ kind: 'unavailable' })
    await refuse()
    expect(asked()).toBe(4)
  })

  it('asks once for many who wait, and goes on when one of them leaves', async () => {
    const stop = new AbortController()
    const leaving = access.identify(good, stop.signal)
    const staying = Array.from({ length: 10 }, () => access.identify(good, signal()))
    stop.abort()
    await expect(leaving).rejects.toMatchObject({ code: 'aborted' })
    expect(await Promise.all(staying)).toHaveLength(10)
    expect(server.requests).toHaveLength(1)
  })

  it('never shows the token', async () => {
    server.fault({ when: () => true, fault: { answer: { status: 500, body: 'good-token' } } })
    const failure = (await access.identify(good, signal()).catch((error: unknown) => error)) as Error
    expect(`${failure.stack} ${JSON.stringify(failure)} ${(failure.cause as Error).stack}`).not.toContain('good-token')
  })
})
