/** From a URI to addresses: what Hadoop's own clients would ask, for every way of configuring it. */
import { describe, expect, it } from 'vitest'
import { type HadoopSettings, readHadoopConfiguration } from '../../hadoop/configuration.ts'
import { clusterOf } from './cluster.ts'
import { decodedPath, parseHdfsUri } from './uri.ts'

async function clusterFor(uri: string, properties: Record<string, string> = {}, settings: HadoopSettings = {}) {
  return clusterOf(parseHdfsUri(uri), settings, await readHadoopConfiguration({ properties }))
}

const pair = {
  'fs.defaultFS': 'hdfs://Cargo',
  'dfs.nameservices': 'cargo, other',
  'dfs.ha.namenodes.cargo': 'nn1,nn2',
  'dfs.namenode.rpc-address.cargo.nn1': 'one:8020',
  'dfs.namenode.rpc-address.cargo.nn2': 'two',
  'dfs.namenode.http-address.cargo.nn1': '0.0.0.0:9870',
  'dfs.namenode.https-address.cargo.nn1': 'one:9999',
  'dfs.namenode.rpc-address.other': 'three:9000',
  'dfs.namenode.http-address.other': 'three:50070',
}

describe('the addresses of', () => {
  it.each([
    ['a nameservice', 'hdfs://cargo/a', pair, ['http://one:9870', 'http://two:9870']],
    ['the default file system', 'hdfs:///a', pair, ['http://one:9870', 'http://two:9870']],
    ['a nameservice over TLS', 'swebhdfs://cargo/a', pair, ['https://one:9999', 'https://two:9871']],
    [
      'a nameservice that has TLS only',
      'hdfs://cargo/a',
      { ...pair, 'dfs.http.policy': 'HTTPS_ONLY' },
      ['https://one:9999', 'https://two:9871'],
    ],
    ['a nameservice of one', 'webhdfs://OTHER/a', pair, ['http://three:50070']],
    ['one NameNode by its RPC address', 'hdfs://three:9000/a', pair, ['http://three:50070']],
    ['one NameNode of a pair', 'hdfs://two/a', pair, ['http://two:9870']],
    [
      'a single NameNode',
      'hdfs://nn:8020/a',
      { 'dfs.namenode.rpc-address': 'nn:8020', 'dfs.namenode.http-address': 'web:1' },
      ['http://web:1'],
    ],
    ['an unknown host', 'hdfs://nn:9000/a', {}, ['http://nn:9870', 'http://nn:50070']],
    ['an unknown host over TLS', 'swebhdfs://nn/a', {}, ['https://nn:9871', 'https://nn:50470']],
    ['WebHDFS itself', 'webhdfs://nn:14000/a', pair, ['http://nn:14000']],
    ['WebHDFS itself over TLS', 'swebhdfs://nn:14000/a', pair, ['https://nn:14000']],
    ['an IPv6 address', 'hdfs://[2001:db8::1]:8020/a', {}, ['http://[2001:db8::1]:9870', 'http://[2001:db8::1]:50070']],
  ])('%s', async (_, uri, properties, expected) => {
    expect((await clusterFor(uri, properties)).endpoints).toEqual(expected)
  })

  it('a name that the plan gives', async () => {
    const webhdfs = { Cargo: ['https://gateway:8443/gateway/x/', 'http://nn:9870'], 'nn:8020': ['http://h:1'] }
    expect((await clusterFor('hdfs://cargo/a', pair, { webhdfs })).endpoints).toEqual([
      'https://gateway:8443/gateway/x',
      'http://nn:9870',
    ])
    expect((await clusterFor('hdfs://nn:8020/a', {}, { webhdfs })).endpoints).toEqual(['http://h:1'])
  })

  it('nothing are refused', async () => {
    await expect(clusterFor('hdfs:///a', { 'fs.defaultFS': 's3a://bucket' })).rejects.toMatchObject({
      code: 'no-default-file-system',
    })
  })
})

describe('tokens', () => {
  it('of a nameservice are known by its name and by its NameNodes', async () => {
    const { tokenServices } = await clusterFor('hdfs://cargo/a', pair)
    expect(tokenServices).toEqual(expect.arrayContaining(['ha-hdfs:cargo', 'one:8020', 'two:8020']))
    expect((await clusterFor('webhdfs://cargo/a', pair)).tokenServices).toContain('ha-webhdfs:cargo')
  })

  it('of a single NameNode are known by its RPC address', async () => {
    expect((await clusterFor('hdfs://nn/a')).tokenServices).toContain('nn:8020')
  })
})

describe('a URI', () => {
  it.each([
    ['hdfs://ns/a b', '/a%20b', '/a b'],
    ['hdfs://ns/a%20b', '/a%20b', '/a b'],
    ['hdfs://ns/100%', '/100%25', '/100%'],
    ['hdfs://ns//a///b', '/a/b', '/a/b'],
    ['hdfs://ns/a+b%3Fc#name', '/a%2Bb%3Fc', '/a+b?c'],
    ['hdfs:/a', '/a', '/a'],
  ])('%s is decoded once', (uri, encoded, decoded) => {
    const { encodedPath } = parseHdfsUri(uri)
    expect([encodedPath, decodedPath(encodedPath)]).toEqual([encoded, decoded])
  })

  it.each([
    'hdfs://ns',
    'hdfs:a',
    'hdfs://ns/a?b',
    'hdfs://alice@ns/a',
    'hdfs://ns/../a',
    'hdfs://ns/a/%2e%2e/b',
    'hdfs://n s/a',
    'hdfs://ns/a%00b',
    'hdfs://ns:port/a',
    'http://ns/a',
  ])('%s is refused', (uri) => {
    expect(() => parseHdfsUri(uri)).toThrow(expect.objectContaining({ kind: 'invalid', code: 'bad-uri' }))
  })
})
