/** Who may: reads the presented secret and compares it in constant time. Pure. */
import { Secret, SupercargoError } from '@supercargo/protocol'

/** What an unknown resource is compared with, so that it costs the same and answers the same. */
const nobodysHash = `sha256:${'0'.repeat(64)}`

/** The token of `Authorization: Bearer <token>`. */
export function bearerSecret(authorization: string | undefined): Secret | undefined {
  const match = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i.exec(authorization ?? '')
  return match === null ? undefined : new Secret(match[1]!)
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

/** The one answer of v1 to a missing secret, a wrong one, and a resource that is not there. */
export function deniedError(): SupercargoError {
  return new SupercargoError('denied', 'resource-denied', 'the resource is not there, or the secret is not its own', {
    status: 401,
    hint: 'send the resource secret as "Authorization: Bearer <secret>"; a released resource answers like this too',
  })
}
