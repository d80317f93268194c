/** From kind to path, remembered for a while, and asked again when it no longer holds. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApiClient } from './api-client.ts'
import { collectionPath, createKindDirectory } from './discovery.ts'
import { FaultyApiServer } from './testing/faulty-api-server.ts'

const flink = { apiVersion: 'flink.apache.org/v1beta1', kind: 'FlinkDeployment' }
const signal = (): AbortSignal => AbortSignal.timeout(5_000)

describe('the directory of kinds', () => {
  let server: FaultyApiServer
  let client: ApiClient

  beforeEach(async () => {
    server = await FaultyApiServer.start()
    client = new ApiClient(server.connection)
    server.cluster.kinds.push({ ...flink, plural: 'flinkdeployments', namespaced: true })
  })
  afterEach(async () => {
    await client.close()
    await server.stop()
  })

  it('asks for a kind once, until it is forgotten or old', async () => {
    let nowMs = 0
    const kinds = createKindDirectory(client, { now: () => nowMs, freshForMs: 1000 })
    const path = await kinds.find(flink, signal())
    expect(collectionPath(path, 'a b')).toBe('/apis/flink.apache.org/v1beta1/namespaces/a%20b/flinkdeployments')
    await kinds.find(flink, signal())
    expect(server.requests).toHaveLength(1)
    nowMs = 1000
    await kinds.find(flink, signal())
    expect(server.requests).toHaveLength(2)
    kinds.forget(flink)
    await kinds.find(flink, signal())
    expect(server.requests).toHaveLength(3)
  })

  it('asks nothing for the kinds of Kubernetes itself', async () => {
    const path = await createKindDirectory(client).find({ apiVersion: 'batch/v1', kind: 'CronJob' }, signal())
    expect(collectionPath(path, undefined)).toBe('/apis/batch/v1/cronjobs')
    expect(server.requests).toHaveLength(0)
  })

  it('does not remember a failure', async () => {
    const kinds = createKindDirectory(client)
    server.fault({ when: () => true, times: 1, fault: { answer: { status: 503, body: '' } } })
    await expect(kinds.find(flink, signal())).rejects.toMatchObject({ kind: 'unavailable' })
    expect(await kinds.find(flink, signal())).toMatchObject({ plural: 'flinkdeployments' })
  })

  it('refuses an answer that is no list of kinds', async () => {
    server.fault({ when: () => true, fault: { answer: { status: 200, body: '{"kind":"PodList"}' } } })
    await expect(createKindDirectory(client).find(flink, signal())).rejects.toMatchObject({ kind: 'corrupt' })
  })
})
