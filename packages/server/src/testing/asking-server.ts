/** A test server that asks the cluster double who its callers are, and what tests of that say again and again. */
import { type CollectorStatus, listingSchema, SupercargoError } from '@supercargo/protocol'
import type { ClusterAuthorizerOptions } from '../auth/cluster-authorizer.ts'
import type { CollectorDoor } from '../http/edge.ts'
import { type ClusterDouble, startClusterDouble, tokens } from './cluster-double.ts'
import { tarBody } from './tar.ts'
import { startTestServer, type TestServer } from './test-server.ts'
import { call, callJson, digestOf, testOwner } from './v1-api.ts'

export interface AskingServer extends TestServer {
  readonly cluster: ClusterDouble
  /** What the collector was asked to list. */
  readonly asked: unknown[]
  /** Opens an upload, as the bearer of a token. */
  create(token: string | undefined, owner?: object): Promise<Response>
  /** A committed resource of this owner, with one file `a`. */
  staged(owner?: object): Promise<{ readonly id: string; readonly secret: string }>
  /** How often a question was decided so. */
  decided(question: string, verdict: string): Promise<number>
}

export async function startAskingServer(options: Partial<ClusterAuthorizerOptions> = {}): Promise<AskingServer> {
  const cluster = await startClusterDouble()
  const asked: unknown[] = []
  const authorizer = cluster.authorizer(options)
  const server = await startTestServer({
    authorizer,
    collector: listingCollector(asked),
    frontDoor: { anonymous: false },
    logLevel: 'trace',
  })
  return {
    ...server,
    cluster,
    asked,
    create: (token, owner = testOwner) =>
      callJson(server, 'POST', '', { owner, files: [{ path: 'a', sizeBytes: 1, digest: digestOf('x') }] }, token),
    staged: async (owner = testOwner) => {
      const answer = await call(server, 'POST', '', {
        secret: tokens.admin,
        headers: { 'content-type': 'application/x-tar', 'supercargo-owner': JSON.stringify(owner) },
        body: tarBody([{ name: 'a', body: 'bytes' }]),
      })
      const { resourceId: id, resourceSecret: secret } = (await answer.json()) as Record<string, string>
      return { id: id!, secret: secret! }
    },
    decided: async (question, verdict) => {
      const text = await (await fetch(`${server.url}/metrics`)).text()
      const line = `supercargo_auth_decisions_total{question="${question}",verdict="${verdict}"} `
      const found = text.split('\n').find((each) => each.startsWith(line))
      return Number(found?.slice(line.length) ?? 0)
    },
    stop: async () => {
      await server.stop()
      await cluster.stop()
    },
  }
}

function listingCollector(asked: unknown[]): CollectorDoor {
  return {
    list: async (query) => {
      asked.push(query)
      return listingSchema.parse({ resources: [] })
    },
    status: async () => idle,
    explain: async () => undefined,
    release: () => Promise.reject(new SupercargoError('conflict', 'not-paused', 'collection is not stopped')),
  }
}

/** A collector that has not swept and holds nothing. */
export const idle: CollectorStatus = {
  cluster: null,
  lastSweep: null,
  recentSweeps: [],
  paused: null,
  pauseCode: null,
  sweeping: true,
  dryRun: false,
  states: { uploading: 0, unused: 0, bound: 0, missing: 0, condemned: 0 },
  kinds: {},
  stagers: [],
  unknownOwners: {},
  completeSweepAgeMs: null,
  totals: { condemned: 0, collected: 0, revived: 0, nearMisses: 0, breakerTrips: 0 },
  usage: { resources: 0, blobs: 0, bytes: 0, reservedBytes: 0, namespaces: {} },
}
