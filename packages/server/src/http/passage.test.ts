/** What is believed of who asked and where: a trusted proxy's word, and nobody else's. */
import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createPassages, parseBlock } from './passage.ts'

const passageOf = createPassages(['127.0.0.1', '10.1.0.0/16', 'fd00::/8'])

function asked(remoteAddress: string | undefined, headers: Record<string, string> = {}) {
  return passageOf({ socket: { remoteAddress }, headers } as unknown as IncomingMessage)
}

const nothing = { scheme: undefined, host: undefined, prefix: '' }

describe('a request that comes by', () => {
  it.each([['10.2.0.1'], ['::ffff:10.2.0.1'], ['2001:db8::1']])(
    '%s, which nobody trusts, is believed nothing',
    (peer) => {
      const lies = {
        'x-forwarded-for': '10.9.9.9',
        'x-forwarded-host': 'evil.example',
        forwarded: 'for=10.9.9.9;proto=https',
      }
      const address = peer.replace('::ffff:', '')
      expect(asked(peer, { ...lies, 'x-forwarded-prefix': '/x' })).toEqual({ proxied: false, address, ...nothing })
    },
  )

  it('a connection that is gone has no address', () => {
    expect(asked(undefined)).toEqual({ proxied: false, address: undefined, ...nothing })
  })

  it('a trusted proxy that says nothing is the one who asks', () => {
    expect(asked('::ffff:127.0.0.1')).toEqual({ proxied: true, address: '127.0.0.1', ...nothing })
  })

  it.each<[string, Record<string, string>, object]>([
    [
      'its own fields',
      {
        'x-forwarded-for': '10.2.3.4',
        'x-forwarded-proto': 'https',
        'x-forwarded-host': 'h.example:8443',
        'x-forwarded-prefix': '/cargo/',
      },
      { address: '10.2.3.4', scheme: 'https', host: 'h.example:8443', prefix: '/cargo' },
    ],
    [
      'the standard field',
      { forwarded: 'For="[2001:db8::7]:4711";proto=HTTPS;host="h.example";by=_me' },
      { address: '2001:db8::7', scheme: 'https', host: 'h.example', prefix: '' },
    ],
    ['a port', { 'x-forwarded-for': '10.2.3.4:5678' }, { address: '10.2.3.4' }],
    ['several proxies', { 'x-forwarded-for': '1.2.3.4, 10.2.3.4, 10.1.0.9' }, { address: '10.2.3.4' }],
    [
      'several proxies, each with its own view',
      {
        'x-forwarded-for': '1.2.3.4, 10.2.3.4, 10.1.0.9',
        'x-forwarded-proto': 'gopher, https, http',
        'x-forwarded-host': 'evil.example, outer.example, inner',
      },
      { address: '10.2.3.4', scheme: 'https', host: 'outer.example' },
    ],
    [
      'several proxies in the standard field',
      {
        forwarded:
          'for=1.2.3.4;host=evil.example, for=10.2.3.4;host=outer.example;proto=https, for="10.1.0.9";host=inner',
      },
      { address: '10.2.3.4', scheme: 'https', host: 'outer.example' },
    ],
    ['trusted ones only', { 'x-forwarded-for': '10.1.0.8, 10.1.0.9' }, { address: '10.1.0.8' }],
    ['a hidden name', { forwarded: 'for=_hidden' }, { address: undefined }],
    ['no address', { 'x-forwarded-for': 'localhost' }, { address: undefined }],
    ['what is no host', { 'x-forwarded-for': '10.2.3.4', 'x-forwarded-host': 'a/../b' }, { host: undefined }],
    ['what is no prefix', { 'x-forwarded-prefix': '//evil.example/' }, { prefix: '' }],
    ['both fields, alike', { 'x-forwarded-for': '10.2.3.4', forwarded: 'for=10.2.3.4' }, { address: '10.2.3.4' }],
    [
      'both fields, of which one came from the client',
      { 'x-forwarded-for': '10.2.3.4', 'x-forwarded-host': 'h.example', forwarded: 'for=10.9.9.9;host=evil.example' },
      { address: undefined, host: undefined },
    ],
  ])('a trusted proxy is believed: %s', (_, headers, expected) => {
    expect(asked('10.1.7.7', headers)).toMatchObject({ proxied: true, ...expected })
  })
})

describe('a block of addresses', () => {
  it.each([['10.0.0.0/8'], ['127.0.0.1'], ['::1'], ['fd00::/8']])('%s is one', (text) => {
    expect(parseBlock(text)).toBeDefined()
  })
  it.each([['10.0.0.0/33'], ['10.0.0'], ['proxy'], ['fd00::/129'], [''], ['10.0.0.1/'], ['1.2.3.4/8/8']])(
    '%j is none',
    (text) => expect(parseBlock(text)).toBeUndefined(),
  )
})
