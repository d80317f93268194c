/** Signatures: the published example, and sessions. */
import { describe, expect, it } from 'vitest'
import { signed } from './signing.ts'

describe('a signature', () => {
  const keys = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' }
  const signing = { keys, region: 'us-east-1', date: new Date('2013-05-24T00:00:00Z') }
  const url = new URL('https://examplebucket.s3.amazonaws.com/test.txt')

  it('is the published one for the published request', async () => {
    const { authorization } = await signed('GET', url, { range: 'bytes=0-9' }, signing)
    expect(authorization).toMatch(/Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41$/)
  })

  it('covers the token of a session, and nothing of it is in the address', async () => {
    const headers = await signed('GET', url, {}, { ...signing, keys: { ...keys, sessionToken: 'token' } })
    expect(headers['x-amz-security-token']).toBe('token')
    expect(headers.authorization).toMatch(/SignedHeaders=[a-z0-9;-]*x-amz-security-token/)
  })
})
