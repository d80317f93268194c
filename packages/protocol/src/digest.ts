/** Digests: `sha256:<64 hex digits>` in JSON, plans, URLs and tar entry names; RFC 9530 fields on the wire. */
import { z } from 'zod'

export type Digest = `sha256:${string}`

const pattern = /^sha256:[0-9a-f]{64}$/

export const digestSchema = z
  .string()
  .regex(pattern, 'a digest is written sha256:<64 lower-case hex digits>')
  .transform((text) => text as Digest)

export function isDigest(text: string): text is Digest {
  return pattern.test(text)
}

/** The 64 hex digits. */
export function digestHex(digest: Digest): string {
  return digest.slice('sha256:'.length)
}

export function digestOf(hex: string): Digest {
  return `sha256:${hex}`
}

/** The value of `Repr-Digest` or `Content-Digest`: `sha-256=:<base64>:` (RFC 9530 section 2, RFC 8941 byte sequence). */
export function toDigestField(digest: Digest): string {
  return `sha-256=:${Buffer.from(digestHex(digest), 'hex').toString('base64')}:`
}

/**
 * The sha-256 member of a `Repr-Digest` or `Content-Digest` field. Undefined when the field has no sha-256 member or is
 * malformed: RFC 9530 lets a recipient ignore what it cannot read.
 */
export function fromDigestField(field: string): Digest | undefined {
  const member = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):\s*(?:,|$)/.exec(field)
  return member?.[1] === undefined ? undefined : digestOf(Buffer.from(member[1], 'base64').toString('hex'))
}

/** The digest of no bytes at all. */
export const emptyDigest: Digest = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
