/** The lease: one holder, a loss that is known before the next effect, an epoch that only grows. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApiClient } from './api-client.ts'
import { acquireLease, type HeldLease, type LeaseOptions } from './lease.ts'
import { systemSleep } from './pause.ts'
import { FaultyApiServer } from './testing/faulty-api-server.ts'

const signal = (): AbortSignal => AbortSignal.timeout(10_000)
const place = { namespace: 'supercargo', name: 'sweeper' }

describe('a lease', () => {
  let server: FaultyApiServer
  let client: ApiClient
  let nowMs: number
  let held: HeldLease[]

  beforeEach(async () => {
    server = await FaultyApiServer.start()
    client = new ApiClient(server.connection)
    nowMs = 0
    held = []
  })
  afterEach(async () => {
    for (const each of held) await each.release()
    await client.close()
    await server.stop()
  })

  /** A sleep lets real requests through, and moves the clock only where a test says so. */
  const acquire = async (
    identity: string,
    options: Partial<LeaseOptions> = {},
    stop = signal(),
  ): Promise<HeldLease> => {
    const sleep: LeaseOptions['sleep'] = (_, ended) => systemSleep(5, ended)
    const lease = await acquireLease(client, { ...place, identity, now: () => nowMs, sleep, ...options }, stop)
    held.push(lease)
    return lease
  }
  const stored = () => server.cluster.find('coordination.k8s.io/v1', 'Lease', place.namespace, place.name)!
  const spec = () => stored().spec as { holderIdentity: string; leaseTransitions: number; renewTime: string }
  const until = async (condition: () => boolean): Promise<void> => expect.poll(condition, { interval: 5 }).toBe(true)

  it('is held by one, and renewed', async () => {
    const first = await acquire('one')
    first.assertHeld()
    expect(spec()).toMatchObject({ holderIdentity: 'one', leaseTransitions: 1 })
    expect(spec().renewTime).toMatch(/\.\d{6}Z$/)
    const version = stored().metadata.resourceVersion
    await until(() => stored().metadata.resourceVersion !== version)
    const stop = new AbortController()
    const second = acquire('two', {}, stop.signal)
    const requests = server.requests.length
    await until(() => server.requests.length > requests + 10)
    stop.abort()
    await expect(second).rejects.toMatchObject({ code: 'aborted' })
    first.assertHeld()
  })

  it('goes to another when it shows no life for its duration, with a greater epoch', async () => {
    const first = await acquire('one')
    server.rules.forbids = ({ method, body }) => method === 'PUT' && body.includes('"holderIdentity":"one"')
    const second = acquire('two')
    const requests = server.requests.length
    await until(() => server.requests.length > requests + 10)
    expect(spec().holderIdentity).toBe('one')
    nowMs = 9_999
    first.assertHeld()
    // Between its own deadline and the duration nobody holds it.
    nowMs = 10_000
    expect(() => first.assertHeld()).toThrow('no longer held')
    nowMs = 15_000
    expect((await second).epoch).toBeGreaterThan(first.epoch)
    expect(first.ended.aborted).toBe(true)
  })

  it('is known to be lost before the next effect by a holder that was stopped', async () => {
    const first = await acquire('one')
    // A process that was stopped finds only that its clock has moved: nothing ran in between.
    nowMs = 60_000
    expect(() => first.assertHeld()).toThrow('no longer held')
    nowMs = 0
    expect(() => first.assertHeld()).toThrow('no longer held')
  })

  it('is lost at once when another name is in it', async () => {
    const first = await acquire('one')
    server.cluster.put({ ...stored(), spec: { ...spec(), holderIdentity: 'two', leaseTransitions: 7 } })
    await until(() => first.ended.aborted)
    expect(() => first.assertHeld()).toThrow('no longer held')
  })

  it('survives a change of something else in it', async () => {
    const first = await acquire('one')
    server.cluster.put({ ...stored(), metadata: { ...stored().metadata, labels: { team: 'x' } } })
    const version = stored().metadata.resourceVersion
    await until(() => stored().metadata.resourceVersion !== version)
    first.assertHeld()
    expect(stored().metadata.labels).toEqual({ team: 'x' })
  })

  it('outlives failures that are shorter than its deadline, at any request', async () => {
    const first = await acquire('one')
    server.fault({ when: ({ method }) => method === 'PUT', times: 3, fault: { answer: { status: 503, body: '' } } })
    server.fault({ when: ({ method }) => method === 'PUT', after: 2, times: 2, fault: { cutAfter: 0 } })
    const version = stored().metadata.resourceVersion
    await until(() => Number(stored().metadata.resourceVersion) > Number(version) + 3)
    first.assertHeld()
  })

  it('is let go for the next at once', async () => {
    const first = await acquire('one')
    await first.release()
    expect(spec().holderIdentity).toBe('')
    const second = await acquire('two')
    expect(second.epoch).toBeGreaterThan(first.epoch)
    expect(() => first.assertHeld()).toThrow('no longer held')
  })

  it('has an epoch above the one that the store knows, also when the object was deleted', async () => {
    const first = await acquire('one', { epochAbove: 41 })
    expect(first.epoch).toBe(42)
    server.cluster.remove(stored())
    await until(() => first.ended.aborted)
    expect((await acquire('two', { epochAbove: first.epoch })).epoch).toBe(43)
  })

  it('is acquired whichever request fails on the way', async () => {
    for (let n = 0; n < 4; n++) {
      server.heal()
      server.fault({ when: () => true, after: n, times: 1, fault: { answer: { status: 500, body: '' } } })
      const lease = await acquire(`holder-${n}`)
      lease.assertHeld()
      server.heal()
      await lease.release()
    }
  })

  it('is had by exactly one of many who want it', async () => {
    const stop = new AbortController()
    const all = Array.from({ length: 8 }, (_, n) => acquire(`holder-${n}`, {}, stop.signal))
    const settled = Promise.allSettled(all)
    await Promise.race(all)
    const requests = server.requests.length
    await until(() => server.requests.length > requests + 40)
    expect(held).toHaveLength(1)
    stop.abort()
    await settled
  })

  it('says at once that the right is missing', async () => {
    server.rules.forbids = () => true
    await expect(acquire('one')).rejects.toMatchObject({ kind: 'denied', code: 'kube-forbidden' })
  })
})
