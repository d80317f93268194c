/** Who asks, and may they: the questions to the authorizer, counted, and given up when the client goes away. */
import { namespaceOf, type Owner, SupercargoError } from '@supercargo/protocol'
import type { FastifyRequest } from 'fastify'
import type { AccessVerb, Authorizer, Identity } from '../auth/authorizer.ts'
import type { AuthQuestion } from '../metrics.ts'
import { bearerSecret } from './authorize.ts'
import type { Edge } from './edge.ts'

/** Whose token the request shows; undefined where nobody is asked. Kinds: `denied` with status 401, `unavailable`. */
export async function identifyCaller(edge: Edge, request: FastifyRequest): Promise<Identity | undefined> {
  const { authorizer } = edge
  if (authorizer === undefined) return undefined
  const token = bearerSecret(request.headers.authorization) ?? request.exchange.sessionToken
  if (token === undefined) {
    edge.metrics.decided('token', 'no')
    throw new SupercargoError('denied', 'token-missing', 'this server wants to know who asks', {
      status: 401,
      hint: `send "Authorization: Bearer <token>" (--token-file); make a token with: kubectl create token SERVICE_ACCOUNT --audience ${authorizer.audience}`,
    })
  }
  const identity = await counted(edge, 'token', authorizer.identify(token, request.exchange.whileOpen()))
  request.exchange.principal = identity.username
  return identity
}

/** Resolves when the caller may stage for these owners, or nobody is asked. */
export async function mayStage(
  edge: Edge,
  request: FastifyRequest,
  caller: Identity | undefined,
  owners: readonly Owner[],
): Promise<void> {
  const { authorizer } = edge
  if (authorizer === undefined || caller === undefined) return
  const namespace = namespaceOf(owners)
  await hasRight(edge, request, authorizer, caller, 'create', namespace)
  await authorizer.expectNamespace(namespace, request.exchange.whileOpen())
}

/** For what admins do: resolves when the request's token gives the right, or nobody is asked. */
export async function expectRight(
  edge: Edge,
  request: FastifyRequest,
  verb: AccessVerb,
  namespace: string | undefined,
): Promise<void> {
  const caller = await identifyCaller(edge, request)
  if (edge.authorizer === undefined || caller === undefined) return
  await hasRight(edge, request, edge.authorizer, caller, verb, namespace)
}

/** What a token opens of a resource, beside its secret. */
export interface TokenUse {
  /** It is that of a pod to which the resource belongs. */
  readonly pod?: true
  /** Its user has this right in the resource's namespace. */
  readonly verb?: AccessVerb
}

/** False where the token does not open it. The owners are undefined when there is no such resource. */
export async function tokenOpens(
  edge: Edge,
  request: FastifyRequest,
  use: TokenUse,
  owners: readonly Owner[] | undefined,
): Promise<boolean> {
  // Asked first and in every case, so that a resource that is not there answers like one that is.
  const caller = await identifyCaller(edge, request)
  const { authorizer } = edge
  if (authorizer === undefined || caller === undefined || owners === undefined) return false
  if (use.pod && caller.pod !== undefined) {
    if (await counted(edge, 'pod', authorizer.isPodOf(caller, owners, request.exchange.whileOpen()))) return true
  }
  if (use.verb === undefined) return false
  try {
    await hasRight(edge, request, authorizer, caller, use.verb, namespaceOf(owners))
    return true
  } catch (error) {
    // Its words would tell that the resource is there, and where.
    if (SupercargoError.is(error) && error.kind === 'denied') return false
    throw error
  }
}

function hasRight(
  edge: Edge,
  request: FastifyRequest,
  authorizer: Authorizer,
  caller: Identity,
  verb: AccessVerb,
  namespace: string | undefined,
): Promise<void> {
  return counted(edge, 'right', authorizer.authorize(caller, verb, namespace, request.exchange.whileOpen()))
}

async function counted<T>(edge: Edge, question: AuthQuestion, asking: Promise<T>): Promise<T> {
  try {
    const answer = await asking
    edge.metrics.decided(question, answer === false ? 'no' : 'yes')
    return answer
  } catch (error) {
    const kind = SupercargoError.is(error) ? error.kind : undefined
    // Of a client that went away nothing was decided.
    if (kind !== 'interrupted') edge.metrics.decided(question, kind === 'denied' ? 'no' : 'unknown')
    throw error
  }
}
