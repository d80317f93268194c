/** The port that the HTTP edge asks before it does anything for somebody who shows a token. */
import type { AccessVerb, Identity } from '@supercargo/kube'
import type { Owner, Secret } from '@supercargo/protocol'

export type { AccessVerb, Identity }

/**
 * Every method rejects with kind `unavailable` when nobody can say, whatever the reason: no answer is ever a yes that nobody
 * gave. A yes may be some seconds old, so a right that was taken away ends within that time.
 */
export interface Authorizer {
  /** Whether uploads that cannot carry a token (the 2017 wire) are taken from anybody. */
  readonly anonymousV0: boolean
  /** What tokens must be meant for: for the words of a refusal. */
  readonly audience: string
  /** Whose token this is. Kind `denied` with status 401 when it is not accepted. */
  identify(token: Secret, signal: AbortSignal): Promise<Identity>
  /** Resolves when they may, in the namespace or, without one, in all. Kind `denied` with status 403 when they may not. */
  authorize(identity: Identity, verb: AccessVerb, namespace: string | undefined, signal: AbortSignal): Promise<void>
  /** Resolves unless it is certain that there is no such namespace: then kind `notFound`. To be asked after `authorize`. */
  expectNamespace(namespace: string, signal: AbortSignal): Promise<void>
  /** Whether the token is that of a pod which is one of the owners, or belongs to one. */
  isPodOf(identity: Identity, owners: readonly Owner[], signal: AbortSignal): Promise<boolean>
  close(): Promise<void>
}
