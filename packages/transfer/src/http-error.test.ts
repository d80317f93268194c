/** What a status and a broken connection mean, and what is never shown. */
import { describe, expect, it } from 'vitest'
import { fromConnectionError, fromStatus } from './http-error.ts'
import { shown } from './shown-url.ts'

describe('a status without a better word', () => {
  it.each([
    [400, 'invalid', false],
    [401, 'denied', false],
    [403, 'denied', false],
    [404, 'notFound', false],
    [408, 'unavailable', true],
    [409, 'conflict', false],
    [410, 'notFound', false],
    [412, 'conflict', false],
    [413, 'tooLarge', false],
    [416, 'range', false],
    [418, 'invalid', false],
    [421, 'unavailable', true],
    [425, 'unavailable', true],
    [429, 'unavailable', true],
    [500, 'unavailable', true],
    [502, 'unavailable', true],
    [503, 'unavailable', true],
    [504, 'unavailable', true],
    [507, 'exhausted', false],
    [302, 'corrupt', false],
  ])('%i is %s', (status, kind, retry) => {
    const error = fromStatus(status, {}, 'http://host/x')
    expect([error.kind, error.retry, error.code]).toEqual([kind, retry, `http-${status}`])
  })

  it('keeps Retry-After, and escapes and bounds what the other side says', () => {
    const error = fromStatus(503, { 'retry-after': '7' }, 'http://host/x', `\u001b[31m${'x'.repeat(500)}`)
    expect(error.retryAfterMs).toBe(7000)
    expect(error.message).not.toContain('\u001b')
    expect(error.message.length).toBeLessThan(200)
  })
})

describe('a broken connection', () => {
  it.each([
    ['ECONNREFUSED', 'unavailable'],
    ['ENOTFOUND', 'unavailable'],
    ['EAI_AGAIN', 'unavailable'],
    ['EHOSTUNREACH', 'unavailable'],
    ['ECONNRESET', 'interrupted'],
    ['EPIPE', 'interrupted'],
    ['ERR_STREAM_PREMATURE_CLOSE', 'interrupted'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'denied'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'denied'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'denied'],
    ['HPE_INVALID_CONSTANT', 'corrupt'],
  ])('by %s is %s, names the address and keeps its cause', (code, kind) => {
    const cause = Object.assign(new Error('reason'), { code })
    expect(fromConnectionError(cause, 'http://host/x')).toMatchObject({
      kind,
      cause,
      message: expect.stringContaining('http://host/x'),
    })
  })
})

describe('a URL in a message', () => {
  it('shows neither user nor query nor fragment nor capability', () => {
    const url = new URL('https://user:secret@host:1/prefix/c/secret/a.jar?X-Amz-Signature=secret#secret')
    expect(shown(url)).toBe('https://host:1/prefix/c/[secret]/a.jar')
  })
})
