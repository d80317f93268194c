/** What the routes of the API server double share: its state, a reply, and the two refusals that every route knows. */
import type { ClusterModel, ModelKind } from './cluster-model.ts'
import type { SeenRequest } from './faults.ts'

export interface ApiReply {
  readonly status: number
  /** A string is plain text. */
  readonly body: unknown
  readonly headers?: Record<string, string>
  /** A watch: begins to send events, returns how to stop. */
  readonly stream?: (send: (event: unknown) => void, end: () => void) => () => void
}

/** Where a request goes. */
export interface Route {
  readonly kind: ModelKind
  readonly namespace: string | undefined
  readonly name: string | undefined
}

/** A token as TokenReview knows it. */
export interface Review {
  readonly audiences: readonly string[]
  readonly user: object
}

export interface ApiState {
  readonly cluster: ClusterModel
  readonly tokens: ReadonlyMap<string, Review>
  readonly rules: {
    /** SubjectAccessReview. */
    allows(spec: { readonly user?: string; readonly resourceAttributes?: Record<string, string> }): boolean
    /** RBAC for the caller itself. */
    forbids(request: SeenRequest): boolean
  }
}

export function failure(status: number, reason: string, message: string, details: object = {}): ApiReply {
  return {
    status,
    body: { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, details, code: status },
  }
}

export function notFound({ plural }: ModelKind, name: string): ApiReply {
  return failure(404, 'NotFound', `${plural} "${name}" not found`, { name, kind: plural })
}
