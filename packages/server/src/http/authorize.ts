/** The secret that a request shows: read, told apart from a token, and compared in constant time. Pure. */
import { Secret, SupercargoError } from '@supercargo/protocol'

/** What an unknown resource is compared with, so that it costs the same and answers the same. */
const nobodysHash = `sha256:${'0'.repeat(64)}`

/** The token of `Authorization: Bearer <token>`. */
export function bearerSecret(authorization: string | undefined): Secret | undefined {
  const match = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization ?? '')
  return match === null ? undefined : new Secret(match[1]!)
}

/**
 * Whether it has the form of a token that a cluster signs (RFC 7519: three parts, two dots). A resource secret has no dot and
 * a capability one, so where a secret or a token may stand, no secret of ours is shown to the cluster.
 */
export function isSignedToken(secret: Secret): boolean {
  return /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(secret.reveal())
}

/** The whole header, as the 2017 client sends it: no scheme. */
export function rawSecret(authorization: string | undefined): Secret | undefined {
  return authorization === undefined || authorization === '' ? undefined : new Secret(authorization)
}

/** True when the secret belongs to the hash. Without a hash (nothing is there) it compares all the same, and is false. */
export function secretFits(secret: Secret | undefined, hash: string | undefined): boolean {
  const fits = (secret ?? new Secret('')).matches(hash ?? nobodysHash)
  return fits && secret !== undefined && hash !== undefined
}

/** The one answer of v1 to a missing secret, a wrong one, a token of somebody else, and a resource that is not there. */
export function deniedError(): SupercargoError {
  return new SupercargoError('denied', 'resource-denied', 'the resource is not there, or the secret is not its own', {
    status: 401,
    hint: 'send the resource secret (or, where the server asks the cluster, a token that opens it) as "Authorization: Bearer …"; a released resource answers like this too',
  })
}
