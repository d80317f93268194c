/** Digests in JSON and in RFC 9530 fields. */

import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Digest, digestOf, emptyDigest, fromDigestField, isDigest, toDigestField } from './digest.ts'

const digests = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => digestOf(Buffer.from(bytes).toString('hex')))

describe('a digest', () => {
  it('survives the header field and back', () => {
    fc.assert(fc.property(digests, (digest: Digest) => fromDigestField(toDigestField(digest)) === digest))
  })

  it('is found among other algorithms, and a malformed field is ignored', () => {
    const field = toDigestField(emptyDigest)
    expect(fromDigestField(`sha-512=:AAAA:, ${field}`)).toBe(emptyDigest)
    for (const bad of ['', 'sha-256=', 'sha-256=:short:', 'sha-256="x"', field.replace(/:$/, ''), field.toUpperCase()])
      expect(fromDigestField(bad)).toBeUndefined()
  })

  it('is lower-case hex with its algorithm', () => {
    expect(isDigest(emptyDigest)).toBe(true)
    expect(emptyDigest).toBe(`sha256:${createHash('sha256').digest('hex')}`)
    for (const bad of [
      emptyDigest.toUpperCase(),
      emptyDigest.slice(7),
      `${emptyDigest}0`,
      `${emptyDigest}\n`,
      'sha256:',
    ])
      expect(isDigest(bad)).toBe(false)
  })
})
