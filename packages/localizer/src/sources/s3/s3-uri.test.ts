/** URIs of S3: what is a key, a folder, a pattern; what is refused; and that every key survives being written as a URI. */

import { encodedKey } from '@supercargo/transfer/s3'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseS3Uri, s3Uri } from './s3-uri.ts'

describe('a URI', () => {
  it.each([
    ['s3a://b-1/a.jar', 'one', 'a.jar'],
    ['S3://b-1/a.jar', 'one', 'a.jar'],
    ['s3n://b-1/a b+c%20d%2Fe', 'one', 'a b+c d/e'],
    ['s3a://b-1/100%', 'one', '100%'],
    ['s3a://b-1/%zz%ff', 'one', '%zz%ff'],
    ['s3a://b-1//a//b', 'one', '/a//b'],
    ['s3a://b-1/%5Ba%5D%2A%7B%7D', 'one', '[a]*{}'],
    ['s3a://b-1/s3a://x', 'one', 's3a://x'],
    ['s3a://b-1/dir/', 'folder', 'dir/'],
    ['s3a://b-1/', 'folder', ''],
    ['s3a://b-1', 'folder', ''],
    ['s3a://b-1/dir/*.jar', 'pattern', 'dir/*.jar'],
  ])('%s names %s, %j', (uri, names, key) => {
    expect(parseS3Uri(uri)).toMatchObject({ bucket: 'b-1', names, key })
  })

  it('may name a version of one key', () => {
    expect(parseS3Uri('s3a://b-1/a?versionId=3/L4kqtJ.x').versionId).toBe('3/L4kqtJ.x')
  })

  it.each([
    ['s3a:///a', /no bucket/],
    ['s3a://b_/../a', /part/],
    ['s3a://b-1/a/./b', /part/],
    ['s3a://b-1/a/%2E%2E/b', /part/],
    ['s3a://AKIA:canary@b-1/a', /credentials/],
    ['s3a://b-1:80/a', /no bucket/],
    ['s3a://b-1/a?canary=1', /query/],
    ['s3a://b-1/dir/?versionId=1', /version of many/],
    ['s3a://name--use1-az4--x-s3/a', /directory bucket/],
    ['s3a:b/a', /is not/],
  ])('%s is refused, and no secret is in the message', (uri, reason) => {
    expect(() => parseS3Uri(uri)).toThrow(reason)
    expect(() => parseS3Uri(uri)).toThrow(/^(?!.*canary)/)
  })

  it('of any key is read as that key', () => {
    const keys = fc.string({ unit: 'grapheme', minLength: 1 }).filter((key) => !/(^|\/)\.{1,2}(\/|$)/.test(key))
    fc.assert(fc.property(keys, (key) => parseS3Uri(s3Uri('b-1', key)).key === key))
  })

  it('is made of nothing that a URL or a signature takes for its own', () => {
    expect(encodedKey("a b+c%/!'()*?#[]😀")).toBe('a%20b%2Bc%25/%21%27%28%29%2A%3F%23%5B%5D%F0%9F%98%80')
  })
})

describe('a pattern', () => {
  const matching = (uri: string, keys: readonly string[]): string[] => {
    const { patterns } = parseS3Uri(uri)
    return keys.filter((key) => patterns.some((pattern) => pattern.matches(key)))
  }

  it('matches within one part of a path, and says what to look at', () => {
    const keys = ['libs/a.jar', 'libs/b.zip', 'libs/deep/c.jar', 'libs2/d.jar', 'libs/[x].jar']
    expect(matching('s3a://b-1/libs/*.jar', keys)).toEqual(['libs/a.jar', 'libs/[x].jar'])
    expect(matching('s3a://b-1/libs*/*.jar', keys)).toEqual(['libs/a.jar', 'libs2/d.jar', 'libs/[x].jar'])
    expect(matching('s3a://b-1/libs/{a,deep/c}.jar', keys)).toEqual(['libs/a.jar', 'libs/deep/c.jar'])
    expect(matching('s3a://b-1/libs/%5Bx%5D.*', keys)).toEqual(['libs/[x].jar'])
    expect(parseS3Uri('s3a://b-1/libs/v%20[12]/*.jar').patterns).toMatchObject([{ prefix: 'libs/v ', isLevel: false }])
    expect(parseS3Uri('s3a://b-1/libs/*.jar').patterns).toMatchObject([{ prefix: 'libs/', isLevel: true }])
  })
})
