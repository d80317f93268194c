/** Who sends this token, and may they: TokenReview with our own audience, then SubjectAccessReview on a virtual resource. */
import { createHash } from 'node:crypto'
import { printable, type Secret, SupercargoError } from '@supercargo/protocol'
import { z } from 'zod'
import type { ApiClient } from './api-client.ts'
import { fromShortCache, type ShortCache } from './short-cache.ts'

/** The caller, as the cluster knows it. */
export interface Identity {
  readonly username: string
  readonly uid: string | undefined
  readonly groups: readonly string[]
  readonly extra: Readonly<Record<string, readonly string[]>>
  /** Set for a service account's token. */
  readonly serviceAccount: { readonly namespace: string; readonly name: string } | undefined
  /** Set for a token that is bound to a pod. */
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string } | undefined
}

export type AccessVerb = 'create' | 'get' | 'list' | 'delete'

export interface Access {
  /**
   * Kinds: `denied` with status 401 when the cluster does not accept the token for our audience, `unavailable` when it
   * cannot be asked, whatever the reason. An answer is never a yes that nobody gave.
   */
  identify(token: Secret, signal: AbortSignal): Promise<Identity>
  /**
   * Resolves when they may, in the namespace or, without one, in all of them. Kinds: `denied` with status 403, and
   * `unavailable` as above.
   */
  authorize(identity: Identity, verb: AccessVerb, namespace: string | undefined, signal: AbortSignal): Promise<void>
}

export interface AccessOptions {
  /** What tokens must be meant for. Never the API server's own audience: then we could use them ourselves. */
  readonly audience: string
  /** Milliseconds on a monotonic scale. */
  readonly now?: () => number
  readonly yesForMs?: number
  readonly noForMs?: number
  /** Of one review. */
  readonly deadlineMs?: number
}

/** DESIGN, operation: the right that uploads need. No definition of it exists; plain RBAC rules name it. */
export const bundles = { group: 'supercargo.io', resource: 'bundles' }

/** The ClusterRoles of deploy/base/rbac.yaml that carry these rights. */
const roleOf: Readonly<Record<AccessVerb, string>> = {
  create: 'supercargo-stager',
  get: 'supercargo-admin',
  list: 'supercargo-admin',
  delete: 'supercargo-admin',
}

const defaults = { yesForMs: 10_000, noForMs: 1_000, deadlineMs: 10_000 }
const tokenCharactersMax = 16_384
const entriesMax = 10_000
const podNameKey = 'authentication.kubernetes.io/pod-name'
const podUidKey = 'authentication.kubernetes.io/pod-uid'

const tokenReviewSchema = z.object({
  status: z.object({
    authenticated: z.boolean().optional(),
    audiences: z.array(z.string()).optional(),
    user: z
      .object({
        // A token that is not accepted has a user without a name.
        username: z.string().default(''),
        uid: z.string().optional(),
        groups: z.array(z.string()).default([]),
        extra: z.record(z.string(), z.array(z.string())).default({}),
      })
      .optional(),
  }),
})

const accessReviewSchema = z.object({
  status: z.object({ allowed: z.boolean(), denied: z.boolean().optional(), reason: z.string().optional() }),
})

export function createAccess(client: ApiClient, options: AccessOptions): Access {
  const now = options.now ?? (() => performance.now())
  const { yesForMs, noForMs, deadlineMs } = { ...defaults, ...options }
  const reviewer: Reviewer = { client, deadlineMs }
  const cache = <T>(): ShortCache<T | undefined> =>
    fromShortCache({ now, entriesMax, keptForMs: (value) => (value === undefined ? noForMs : yesForMs) })
  const identities = cache<Identity>()
  const permissions = cache<true>()
  return {
    identify: async (token, signal) => {
      const text = token.reveal()
      const plausible = text.length <= tokenCharactersMax && /^[\x21-\x7e]+$/.test(text)
      const identity = plausible
        ? await identities.get(digest(text), (shared) => reviewToken(reviewer, text, options.audience, shared), signal)
        : undefined
      if (identity !== undefined) return identity
      throw new SupercargoError('denied', 'token-refused', 'the cluster does not accept this token', {
        status: 401,
        hint: `make one with: kubectl create token SERVICE_ACCOUNT --audience ${options.audience}`,
      })
    },
    authorize: async (identity, verb, namespace, signal) => {
      const { username, uid, groups, extra } = identity
      const key = digest(JSON.stringify([username, uid, groups, extra, verb, namespace ?? null]))
      const review = (shared: AbortSignal) => reviewAccess(reviewer, identity, verb, namespace, shared)
      if ((await permissions.get(key, review, signal)) === true) return
      const where = namespace === undefined ? 'all namespaces' : `namespace ${namespace}`
      const says = `${printable(username)} may not ${verb} ${bundles.resource}.${bundles.group} in ${where}`
      throw new SupercargoError('denied', 'access-refused', says, {
        hint: `is the namespace right? An admin can allow it: ${bindCommand(identity, verb, namespace)}`,
      })
    },
  }
}

interface Reviewer {
  readonly client: ApiClient
  readonly deadlineMs: number
}

async function reviewToken(
  reviewer: Reviewer,
  token: string,
  audience: string,
  signal: AbortSignal,
): Promise<Identity | undefined> {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences: [audience] } }
  const path = '/apis/authentication.k8s.io/v1/tokenreviews'
  const { status } = await review(reviewer, { what: 'review a token', path, body, schema: tokenReviewSchema }, signal)
  // An authenticator that knows no audiences says yes without naming ours: that is a no.
  if (status.authenticated !== true || status.user === undefined || status.user.username === '') return undefined
  if (status.audiences?.includes(audience) !== true) return undefined
  return identityOf(status.user)
}

async function reviewAccess(
  reviewer: Reviewer,
  { username, uid, groups, extra }: Identity,
  verb: AccessVerb,
  namespace: string | undefined,
  signal: AbortSignal,
): Promise<true | undefined> {
  const resourceAttributes = { ...(namespace === undefined ? {} : { namespace }), verb, ...bundles }
  const spec = { user: username, ...(uid === undefined ? {} : { uid }), groups, extra, resourceAttributes }
  const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec }
  const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews'
  const { status } = await review(
    reviewer,
    { what: 'review an access', path, body, schema: accessReviewSchema },
    signal,
  )
  return status.allowed === true && status.denied !== true ? true : undefined
}

interface Review<Schema extends z.ZodType> {
  readonly what: string
  readonly path: string
  readonly body: object
  readonly schema: Schema
}

/** A review that fails for any reason, our own missing right included, is `unavailable`: it says nothing about the caller. */
async function review<Schema extends z.ZodType>(
  { client, deadlineMs }: Reviewer,
  { what, path, body, schema }: Review<Schema>,
  signal: AbortSignal,
): Promise<z.output<Schema>> {
  const unavailable = (cause: unknown, hint?: string, retryAfterMs?: number): SupercargoError =>
    new SupercargoError('unavailable', 'review-unavailable', 'the cluster cannot be asked who this is', {
      cause,
      hint,
      retryAfterMs,
    })
  let answer: unknown
  try {
    const request = { what, method: 'POST' as const, path, body, deadlineMs, idempotent: true, confidential: true }
    answer = (await client.request(request, signal)).json()
  } catch (error) {
    if (signal.aborted || !SupercargoError.is(error)) throw error
    const hint =
      error.kind === 'denied' ? 'give the server the right to create tokenreviews and subjectaccessreviews' : undefined
    throw unavailable(error, hint, error.retryAfterMs)
  }
  const parsed = schema.safeParse(answer)
  if (!parsed.success) throw unavailable(new SupercargoError('corrupt', 'kube-bad-answer', `${what}: not a review`))
  return parsed.data
}

function identityOf(user: NonNullable<z.output<typeof tokenReviewSchema>['status']['user']>): Identity {
  const { username, uid, groups, extra } = user
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username)
  const serviceAccount = account === null ? undefined : { namespace: account[1]!, name: account[2]! }
  const [name] = extra[podNameKey] ?? []
  const [podUid] = extra[podUidKey] ?? []
  const pod =
    serviceAccount === undefined || name === undefined || podUid === undefined
      ? undefined
      : { namespace: serviceAccount.namespace, name, uid: podUid }
  return { username, uid, groups, extra, serviceAccount, pod }
}

/** What an admin would type. A name that a shell would read otherwise stands in quotes. */
function bindCommand({ username, serviceAccount }: Identity, verb: AccessVerb, namespace: string | undefined): string {
  const role = roleOf[verb]
  const subject =
    serviceAccount !== undefined
      ? `--serviceaccount=${serviceAccount.namespace}:${serviceAccount.name}`
      : /^[\w.:@/-]+$/.test(username)
        ? `--user=${username}`
        : "--user='THE USER'"
  const binding = namespace === undefined ? 'clusterrolebinding' : 'rolebinding'
  const where = namespace === undefined ? '' : ` --namespace=${namespace}`
  return `kubectl create ${binding} ${role} --clusterrole=${role} ${subject}${where}`
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}
