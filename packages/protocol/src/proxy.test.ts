/** The environment's proxy, and what NO_PROXY takes out of it. */
import { describe, expect, it } from 'vitest'
import { parseProxy, proxyFromEnvironment } from './proxy.ts'

const proxy = 'http://proxy.example:3128'
const chosen = (server: string, environment: Record<string, string>): string | undefined =>
  proxyFromEnvironment(new URL(server), environment)?.href

describe('the proxy of the environment', () => {
  it('is that of the scheme, in either case of its name', () => {
    expect(chosen('https://api.example', { HTTPS_PROXY: proxy })).toBe(`${proxy}/`)
    expect(chosen('https://api.example', { https_proxy: 'proxy.example:3128' })).toBe(`${proxy}/`)
    expect(chosen('https://api.example', { HTTP_PROXY: proxy })).toBeUndefined()
    expect(chosen('https://api.example', {})).toBeUndefined()
  })

  it.each([
    ['*', true],
    ['api.example.org', true],
    ['example.org', true],
    ['.example.org', true],
    ['*.example.org', true],
    ['api.example.org:6443', true],
    ['api.example.org:443', false],
    ['ple.org', false],
    ['.api.example.org', false],
    ['other.org, 10.0.0.0/8 API.example.org', true],
  ])('is not used for api.example.org:6443 with NO_PROXY=%s: %s', (list, excluded) => {
    const found = chosen('https://api.example.org:6443', { HTTPS_PROXY: proxy, NO_PROXY: list })
    expect(found === undefined).toBe(excluded)
  })

  it.each([
    ['https://10.96.0.1', '10.0.0.0/8', true],
    ['https://10.96.0.1', '10.96.0.1', true],
    ['https://10.96.0.1', '11.0.0.0/8', false],
    ['https://10.96.0.1', '10.0.0.0/99', false],
    ['https://[fd00::1]:6443', 'fd00::/8', true],
    ['https://[fd00::1]:6443', '10.0.0.0/8', false],
    ['https://10.example', '10.0.0.0/8', false],
  ])('for %s with NO_PROXY=%s is left out: %s', (server, list, excluded) => {
    expect(chosen(server, { HTTPS_PROXY: proxy, NO_PROXY: list }) === undefined).toBe(excluded)
  })

  it.each(['https://127.0.0.1:6443', 'https://localhost', 'https://[::1]'])('is never used for %s', (server) => {
    expect(chosen(server, { HTTPS_PROXY: proxy })).toBeUndefined()
  })

  it('is refused when it cannot be used, without showing it', () => {
    expect(() => parseProxy('ftp://user:s3cr3t@host', 'the proxy')).toThrow(/^(?!.*s3cr3t)/)
    expect(parseProxy('socks5://host:1080', 'the proxy').protocol).toBe('socks5:')
  })
})
