/** Owners that are finished and still there: gone for whoever releases after completion, there for everybody else. */
import type { Owner } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ApiClient } from './api-client.ts'
import { createClusterOwnerLookup } from './cluster-owner-lookup.ts'
import { noMemory, type OwnerQuery } from './owner-lookup.ts'
import { FaultyApiServer } from './testing/faulty-api-server.ts'

let server: FaultyApiServer
let client: ApiClient

beforeEach(async () => {
  server = await FaultyApiServer.start()
  client = new ApiClient(server.connection)
  for (const apiVersion of ['sparkoperator.k8s.io/v1beta2', 'spark.apache.org/v1'])
    server.cluster.kinds.push({ apiVersion, kind: 'SparkApplication', plural: 'sparkapplications', namespaced: true })
})
afterEach(async () => {
  await client.close()
  await server.stop()
})

const signal = () => AbortSignal.timeout(10_000)
const condition = (type: string, status: string) => ({ conditions: [{ type, status }] })
const kubeflow = (state: string) => ({ applicationState: { state } })
const apache = (currentStateSummary: string) => ({ currentState: { currentStateSummary } })

describe('an owner that is finished', () => {
  it.each([
    ['v1', 'Pod', { phase: 'Succeeded' }, 'absent'],
    ['v1', 'Pod', { phase: 'Failed' }, 'absent'],
    ['v1', 'Pod', { phase: 'Running' }, 'present'],
    ['batch/v1', 'Job', condition('Complete', 'True'), 'absent'],
    ['batch/v1', 'Job', condition('Failed', 'True'), 'absent'],
    ['batch/v1', 'Job', condition('Complete', 'False'), 'present'],
    ['batch/v1', 'Job', condition('Suspended', 'True'), 'present'],
    ['batch/v1', 'Job', undefined, 'present'],
    ['sparkoperator.k8s.io/v1beta2', 'SparkApplication', kubeflow('COMPLETED'), 'absent'],
    ['sparkoperator.k8s.io/v1beta2', 'SparkApplication', kubeflow('FAILED'), 'absent'],
    ['sparkoperator.k8s.io/v1beta2', 'SparkApplication', kubeflow('PENDING_RERUN'), 'present'],
    ['spark.apache.org/v1', 'SparkApplication', apache('ResourceReleased'), 'absent'],
    ['spark.apache.org/v1', 'SparkApplication', apache('RunningHealthy'), 'present'],
    ['apps/v1', 'Deployment', { replicas: 0 }, 'present'],
  ] as const)('of %s %s with %j is %s', async (apiVersion, kind, status, state) => {
    const metadata = { name: 'it', namespace: 'spark', labels: { app: 'a' } }
    const { uid } = server.cluster.put({ apiVersion, kind, metadata, status }).metadata
    // Others, so that there are several pages.
    for (let n = 0; n < 7; n++)
      server.cluster.put({ apiVersion, kind, metadata: { name: `n${n}`, namespace: 'spark' } })
    const lookup = createClusterOwnerLookup(client, { pageObjects: 3 })
    const by = { apiVersion, kind, namespace: 'spark' }
    const owners: Owner[] = [
      { ...by, name: 'it' },
      { ...by, labels: { app: 'a' } },
      { ...by, uid },
    ]
    for (const owner of owners) {
      const query: OwnerQuery = { owner, knownUids: [uid] }
      const finished: OwnerQuery = { ...query, keptUntil: 'completed' }
      const swept = await lookup.sweep([query, finished], noMemory, signal())
      expect(swept.owners.map((answer) => answer.state)).toEqual(['present', state])
      expect((await lookup.confirm(finished, swept, signal())).state).toBe(state)
      expect((await lookup.confirm(query, swept, signal())).state).toBe('present')
    }
  })
})
