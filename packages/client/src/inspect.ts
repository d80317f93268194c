/** The short calls: what is in a resource, who keeps it, release it, what the collector does. One try each. */
import {
  type CapabilityResponse,
  type CollectorStatus,
  capabilityResponseSchema,
  collectorStatusSchema,
  type Explanation,
  explanationSchema,
  type Listing,
  listingSchema,
  type Manifest,
  manifestSchema,
  type Owner,
  routes,
  type Secret,
} from '@supercargo/protocol'
import type { Connection } from './connection.ts'

/** A resource and the right to it: its secret, or else the client's token. */
export interface ResourceCall {
  readonly resourceId: string
  readonly secret?: Secret | undefined
  readonly signal?: AbortSignal | undefined
}

export interface ListCall {
  readonly namespace?: string | undefined
  /** From the previous page. */
  readonly continue?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export function manifest(connection: Connection, { resourceId, ...call }: ResourceCall): Promise<Manifest> {
  return connection.json(manifestSchema, { path: routes.v1.resource(resourceId), ...call, expect: [200] })
}

export function explain(connection: Connection, { resourceId, ...call }: ResourceCall): Promise<Explanation> {
  const path = routes.v1.resource(resourceId)
  return connection.json(explanationSchema, { path, query: { explain: '' }, ...call, expect: [200] })
}

/** Names the owner more precisely (its uid, once known), in the same namespace. */
export async function bindOwner(
  connection: Connection,
  { resourceId, owner, ...call }: ResourceCall & { readonly owner: Owner | readonly Owner[] },
): Promise<void> {
  await connection.run({
    method: 'PATCH',
    path: routes.v1.resource(resourceId),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ owner }),
    ...call,
    expect: [200, 204],
  })
}

export async function release(connection: Connection, { resourceId, ...call }: ResourceCall): Promise<void> {
  await connection.run({ method: 'DELETE', path: routes.v1.resource(resourceId), ...call, expect: [200, 204] })
}

export function list(connection: Connection, call: ListCall = {}): Promise<Listing> {
  return connection.json(listingSchema, {
    path: routes.v1.resources,
    query: {
      ...(call.namespace === undefined ? {} : { namespace: call.namespace }),
      ...(call.continue === undefined ? {} : { continue: call.continue }),
    },
    signal: call.signal,
    expect: [200],
  })
}

export function collectorStatus(connection: Connection, signal?: AbortSignal): Promise<CollectorStatus> {
  return connection.json(collectorStatusSchema, { path: routes.v1.collector, signal, expect: [200] })
}

export async function collectorRelease(connection: Connection, signal?: AbortSignal): Promise<void> {
  await connection.run({ method: 'POST', path: routes.v1.collectorRelease, signal, expect: [200, 202, 204] })
}

export function createCapability(
  connection: Connection,
  { resourceId, expiresAt, ...call }: ResourceCall & { readonly expiresAt?: string | undefined },
): Promise<CapabilityResponse> {
  return connection.json(capabilityResponseSchema, {
    method: 'POST',
    path: routes.v1.capabilities(resourceId),
    send: expiresAt === undefined ? {} : { expiresAt },
    ...call,
    expect: [201],
  })
}

export async function revokeCapability(
  connection: Connection,
  { resourceId, name, ...call }: ResourceCall & { readonly name: string },
): Promise<void> {
  await connection.run({
    method: 'DELETE',
    path: routes.v1.capability(resourceId, name),
    ...call,
    expect: [200, 204],
  })
}
