/** Objects come back as they were sent, and refusals say which one. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApiClient } from './api-client.ts'
import { builtInPath } from './discovery.ts'
import { createObject, deleteObject, listObjects, ownerReference, patchObject, readObject } from './objects.ts'
import { FaultyApiServer } from './testing/faulty-api-server.ts'

const signal = (): AbortSignal => AbortSignal.timeout(5_000)
const path = builtInPath('v1', 'Pod')
const place = { path, namespace: 'spark', name: 'driver' }

describe('an object', () => {
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

  const pod = (name = 'driver') => ({
    metadata: { name, namespace: 'spark' },
    spec: { schedulingGates: [{ name: 'staged' }] },
  })

  it('keeps every field, whatever its name', async () => {
    const spec = { ingress: [{ from: [{ podSelector: {} }] }], default: 1, enum: ['x'], 'x-unknown': { deep: true } }
    const created = await createObject(client, path, { ...pod(), spec }, signal())
    expect(created.spec).toEqual(spec)
    expect((await readObject(client, place, signal()))?.spec).toEqual(spec)
  })

  it('is created once, and the second time refused by name', async () => {
    await createObject(client, path, pod(), signal())
    const again = createObject(client, path, pod(), signal())
    await expect(again).rejects.toMatchObject({
      kind: 'conflict',
      code: 'kube-already-exists',
      message: expect.stringContaining('spark/driver'),
    })
  })

  it('is owned by the uid that the API server gave', async () => {
    const owner = await createObject(client, path, pod(), signal())
    const metadata = { name: 'secret', namespace: 'spark', ownerReferences: [ownerReference(owner, path)] }
    const owned = await createObject(
      client,
      builtInPath('v1', 'Secret'),
      { metadata, stringData: { secret: 'x' } },
      signal(),
    )
    expect(owned.metadata.ownerReferences).toEqual([
      {
        apiVersion: 'v1',
        kind: 'Pod',
        name: 'driver',
        uid: owner.metadata.uid,
        controller: true,
        blockOwnerDeletion: true,
      },
    ])
  })

  it('is ungated by a patch that fails when the gate is another', async () => {
    await createObject(client, path, pod(), signal())
    const operations = (name: string) => [
      { op: 'test', path: '/spec/schedulingGates', value: [{ name }] },
      { op: 'remove', path: '/spec/schedulingGates' },
    ]
    const wrong = patchObject(client, place, { type: 'json', operations: operations('other') }, signal())
    await expect(wrong).rejects.toMatchObject({ kind: 'invalid' })
    const ungated = await patchObject(client, place, { type: 'json', operations: operations('staged') }, signal())
    expect(ungated.spec).toEqual({})
    const change = { metadata: { labels: { a: 'b' } } }
    expect((await patchObject(client, place, { type: 'merge', change }, signal())).metadata.labels).toEqual({ a: 'b' })
  })

  it('is deleted with its uid, and not when another has its name', async () => {
    const first = await createObject(client, path, pod(), signal())
    const { uid } = first.metadata
    expect(await deleteObject(client, place, { uid: 'another' }, signal())).toBe(false)
    expect(await readObject(client, place, signal())).toBeDefined()
    expect(await deleteObject(client, place, { uid }, signal())).toBe(true)
    expect(await deleteObject(client, place, { uid }, signal())).toBe(false)
    expect(await readObject(client, place, signal())).toBeUndefined()
  })

  it('is in the list of its labels, over many pages, once more from the start when the pages are too old', async () => {
    for (let n = 0; n < 450; n++) {
      const metadata = { name: `pod-${n}`, namespace: 'spark', labels: { app: n % 9 === 0 ? 'y' : 'x' } }
      server.cluster.put({ apiVersion: 'v1', kind: 'Pod', metadata })
    }
    let expired = false
    server.fault({
      when: ({ query }) => {
        if (query.has('continue') && !expired) {
          expired = true
          server.cluster.tick()
          server.cluster.compact()
        }
        return false
      },
      fault: { stall: true },
    })
    const { items } = await listObjects(client, path, { namespace: 'spark', labelSelector: 'app=x' }, signal())
    expect([items.length, expired]).toEqual([400, true])
  })

  it('that is a Secret is not quoted by a refusal', async () => {
    const body = JSON.stringify({ kind: 'Status', message: 'invalid value: "s3cr3t"', code: 422 })
    server.fault({ when: () => true, fault: { answer: { status: 422, body } } })
    const refused = createObject(
      client,
      builtInPath('v1', 'Secret'),
      { ...pod(), stringData: { a: 's3cr3t' } },
      signal(),
    )
    await expect(refused).rejects.toMatchObject({ kind: 'invalid', message: expect.not.stringContaining('s3cr3t') })
  })
})
