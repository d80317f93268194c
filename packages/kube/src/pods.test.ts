/** Pods by label, by address, and followed through every kind of gap. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApiClient } from './api-client.ts'
import { followPods, type PodEvent } from './follow-pods.ts'
import { findPodByIp, listPods } from './pods.ts'
import { FaultyApiServer } from './testing/faulty-api-server.ts'

const signal = (): AbortSignal => AbortSignal.timeout(10_000)
const isWatch = ({ query }: { query: URLSearchParams }): boolean => query.get('watch') === 'true'

describe('pods', () => {
  let server: FaultyApiServer
  let client: ApiClient

  beforeEach(async () => {
    server = await FaultyApiServer.start()
    client = new ApiClient(server.connection)
  })
  afterEach(async () => {
    await client.close()
    await server.stop()
  })

  const put = (name: string, rest: Record<string, unknown> = {}, labels: Record<string, string> = { app: 'x' }) =>
    server.cluster.put({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'spark', name, labels }, ...rest })
  const remove = (name: string) => server.cluster.remove(server.cluster.find('v1', 'Pod', 'spark', name)!)

  it('are listed by their labels', async () => {
    put('a')
    put('b', {}, { app: 'y' })
    expect((await listPods(client, 'spark', { app: 'x' }, signal())).map(({ metadata }) => metadata.name)).toEqual([
      'a',
    ])
  })

  it('are found by the address from which they ask, when exactly one has it', async () => {
    const status = { phase: 'Running', podIP: '10.1.2.3' }
    put('a', { status })
    put('done', { status: { ...status, phase: 'Succeeded' } })
    put('node', { status, spec: { hostNetwork: true } })
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3']) {
      expect((await findPodByIp(client, address, undefined, signal()))?.metadata.name).toBe('a')
    }
    expect(await findPodByIp(client, '10.1.2.4', undefined, signal())).toBeUndefined()
    expect(await findPodByIp(client, 'x,status.phase=Running', undefined, signal())).toBeUndefined()
    put('b', { status })
    expect(await findPodByIp(client, '10.1.2.3', undefined, signal())).toBeUndefined()
  })

  /** Follows until `stop` says so, and gives what was told, as `type name`. */
  async function follow(
    selection: { name?: string; labels?: Record<string, string> },
    onEvent: (event: PodEvent, told: readonly string[]) => boolean | Promise<boolean>,
  ): Promise<string[]> {
    const told: string[] = []
    const sleep = async () => undefined
    const options = { sleep, idleTimeoutMs: 100 }
    for await (const event of followPods(client, { namespace: 'spark', ...selection }, options, signal())) {
      told.push(event.type === 'listed' ? 'listed' : `${event.type} ${event.pod.metadata.name}`)
      if (await onEvent(event, told)) break
    }
    return told
  }

  it('are followed from what is there to every change', async () => {
    put('driver', { status: { phase: 'Pending' } })
    put('other')
    const told = await follow({ name: 'driver' }, (event) => {
      if (event.type === 'listed') put('driver', { status: { phase: 'Running' } })
      else if (event.type === 'present' && event.pod.status?.phase === 'Running') remove('driver')
      return event.type === 'gone'
    })
    expect(told).toEqual(['present driver', 'listed', 'present driver', 'gone driver'])
  })

  it('that are not there are told as such', async () => {
    expect(await follow({ name: 'nobody' }, ({ type }) => type === 'listed')).toEqual(['listed'])
  })

  it('are followed by label, through a watch that is cut, silent, too old, or refused for a while', async () => {
    put('a')
    let step = 0
    const told = await follow({ labels: { app: 'x' } }, async (event) => {
      if (event.type === 'listed' && step === 0) {
        step = 1
        setTimeout(() => put('b'), 10)
      } else if (step === 1 && event.type === 'present' && event.pod.metadata.name === 'b') {
        step = 2
        // The connection breaks, the next watch is refused twice, and one says nothing at all.
        server.fault({ when: isWatch, times: 2, fault: { answer: { status: 503, body: '' } } })
        server.disconnect()
        put('c')
      } else if (step === 2 && event.type === 'present' && event.pod.metadata.name === 'c') {
        step = 3
        // The past is forgotten while nobody listens: a list must show what went.
        server.disconnect()
        remove('a')
        put('d')
        server.cluster.tick()
        server.cluster.compact()
      } else if (step === 3 && event.type === 'present' && event.pod.metadata.name === 'd') return true
      return false
    })
    expect(told.filter((each) => each !== 'listed')).toEqual([
      'present a',
      'present b',
      'present c',
      'gone a',
      'present d',
    ])
  })

  it('are not followed on when the right is missing', async () => {
    server.rules.forbids = isWatch
    const told = follow({ name: 'driver' }, () => false)
    await expect(told).rejects.toMatchObject({ kind: 'denied', code: 'kube-forbidden' })
  })

  it('end to be followed when the caller stops', async () => {
    const stop = new AbortController()
    const events = followPods(client, { namespace: 'spark', name: 'driver' }, {}, stop.signal)
    expect((await events.next()).value).toEqual({ type: 'listed' })
    const waiting = events.next()
    setTimeout(() => stop.abort(), 20)
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' })
  })
})
