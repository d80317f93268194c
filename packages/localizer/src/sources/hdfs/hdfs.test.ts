/** The HDFS source and what no real cluster does on request: every failure has its class, and no credential goes where it must not. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Environment, SupercargoError } from '@supercargo/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HadoopSettings } from '../../hadoop/configuration.ts'
import { urlStringOf } from '../../hadoop/token-file.ts'
import { protobufFile, tokenFor, writableFile } from '../../testing/hadoop-tokens.ts'
import { json, refuse, type ScriptedHdfs, scriptedHdfs } from '../../testing/scripted-hdfs.ts'
import { cut } from '../../testing/scripted-server.ts'
import { read } from '../../testing/source-contract.ts'
import { bytesOf, workbench } from '../../testing/workbench.ts'
import { Redactor } from '../secret-text.ts'
import type { OpenOptions, Source } from '../source.ts'
import { createHdfsSource } from './hdfs.ts'

const bytes = bytesOf(300_000)
const uri = 'hdfs://cargo/a.jar'
const item = { kind: 'uri', uri } as const
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'supercargo-hdfs-'))
})
afterAll(() => rm(directory, { recursive: true }))

interface More {
  readonly environment?: Environment
  readonly redactor?: Redactor
  readonly origins?: Record<string, object>
  readonly now?: () => number
  readonly log?: (line: string) => void
}

function sourceOf(endpoints: readonly string[], settings: HadoopSettings = {}, more: More = {}): Source {
  return createHdfsSource({
    settings: { user: 'alice', webhdfs: { cargo: [...endpoints] }, ...settings },
    origins: {},
    environment: {},
    idleTimeoutMs: 2000,
    socketsMax: 4,
    redactor: new Redactor(),
    ...more,
  })
}

async function all(source: Source, options: Partial<OpenOptions> = {}): Promise<Buffer> {
  return await read((await source.open(item, { offset: 0, ...options })).stream)
}

const refused = (promise: Promise<unknown>, expected: object) => expect(promise).rejects.toMatchObject(expected)
const good = () => scriptedHdfs({ '/a.jar': { bytes } })

describe('a NameNode that refuses', () => {
  it.each([
    [403, 'AccessControlException', 'Permission denied: user=alice', 'denied', 'access-denied'],
    [
      403,
      'SecurityException',
      'Failed to obtain user group information: org.apache.hadoop.security.token.SecretManager$InvalidToken: token (…) is expired',
      'denied',
      'token-refused',
    ],
    [403, 'InvalidToken', 'token can’t be found in cache', 'denied', 'token-refused'],
    [
      403,
      'SecurityException',
      'Failed to obtain user group information: java.io.EOFException',
      'denied',
      'authentication-failed',
    ],
    [403, 'RetriableException', 'NameNode still not started', 'unavailable', 'namenode-busy'],
    [403, 'SafeModeException', 'Zero blocklocations. Name node is in safe mode.', 'unavailable', 'namenode-safe-mode'],
    [
      403,
      'RemoteException',
      'org.apache.hadoop.ipc.RetriableException: org.apache.hadoop.hdfs.server.namenode.SafeModeException: …',
      'unavailable',
      'namenode-busy',
    ],
    [403, 'IOException', 'Failed to find datanode, suggest to check cluster health.', 'unavailable', 'block-missing'],
    [403, 'IOException', 'Offset=9 out of the range [0, 5); OPEN, path=/a', 'corrupt', 'source-changed'],
    [403, 'IOException', 'something of which nobody heard', 'unavailable', 'server-failed'],
    [403, 'UnresolvedPathException', 'a link', 'unsafe', 'symbolic-link'],
    [400, 'IllegalArgumentException', 'Invalid value', 'invalid', 'request-refused'],
    [404, 'FileNotFoundException', 'File does not exist: /a.jar', 'notFound', 'no-such-file'],
    [500, 'NullPointerException', '', 'unavailable', 'server-failed'],
  ])('with %d %s (%s) is %s', async (status, exception, message, kind, code) => {
    await using hdfs = await good()
    hdfs.onNameNode = (_, response) => refuse(response, status, exception, message)
    await refused(all(sourceOf([hdfs.nameNode.origin])), { kind, code, message: expect.stringContaining(exception) })
  })

  it.each([
    [401, { 'www-authenticate': 'Negotiate' }, '<html>', 'denied', 'authentication-required', /Kerberos/],
    [401, {}, '', 'denied', 'authentication-required', /gateway/],
    [200, { 'content-type': 'text/html' }, '<html>login</html>', 'corrupt', 'not-webhdfs', /login page/],
    [200, {}, '{"FileStatus":{"type":"FILE"}}', 'corrupt', 'not-webhdfs', /./],
    [404, {}, '<html><title>Error 404 Not Found</title>', 'notFound', 'http-404', undefined],
    [503, {}, '<html><title>Starting</title>', 'unavailable', 'no-namenode', /./],
    [200, {}, 'x'.repeat(1000), 'corrupt', 'not-webhdfs', /./],
  ])('with %d and a page is no answer of HDFS (%#)', async (status, fields, body, kind, code, hint) => {
    await using hdfs = await good()
    hdfs.onNameNode = (_, response) => response.writeHead(status, fields).end(body)
    const error = await all(sourceOf([hdfs.nameNode.origin])).catch((failure: unknown) => failure)
    expect(error).toMatchObject({ kind, code })
    expect((error as Error).message.length).toBeLessThan(600)
    if (hint !== undefined) expect((error as { hint: string }).hint).toMatch(hint)
  })

  it('shows at most a few hundred characters of what it says, on one line', async () => {
    await using hdfs = await good()
    hdfs.onNameNode = (_, response) => refuse(response, 403, 'IOException', `${'x'.repeat(100_000)}\n\tat java`)
    const error = await all(sourceOf([hdfs.nameNode.origin])).catch((failure: unknown) => failure as Error)
    expect((error as Error).message.length).toBeLessThan(600)
    expect((error as Error).message).not.toMatch(/\n|at java/)
  })
})

describe('two NameNodes', () => {
  const standby: ScriptedHdfs['onNameNode'] = (_, response) => {
    refuse(response, 403, 'StandbyException', 'Operation category READ is not supported in state standby.')
  }

  it('are asked in turn, and the active one is remembered', async () => {
    await using one = await good()
    await using two = await good()
    one.onNameNode = standby
    const source = sourceOf([one.nameNode.origin, two.nameNode.origin])
    expect((await all(source)).equals(bytes)).toBe(true)
    await all(source)
    expect(one.asked).toEqual(['GETFILESTATUS /a.jar'])
    one.onNameNode = () => undefined
    two.onNameNode = standby
    expect((await all(source)).equals(bytes)).toBe(true)
  })

  it('of which one is gone are one', async () => {
    await using one = await good()
    await using two = await good()
    await one.nameNode.close()
    expect((await all(sourceOf([one.nameNode.origin, two.nameNode.origin]))).equals(bytes)).toBe(true)
  })

  it('that are both on standby are each asked once, and may be asked again later', async () => {
    await using one = await good()
    await using two = await good()
    one.onNameNode = standby
    two.onNameNode = standby
    await refused(all(sourceOf([one.nameNode.origin, two.nameNode.origin])), {
      kind: 'unavailable',
      code: 'no-namenode',
      message: expect.stringMatching(/no NameNode of cargo answers: .*StandbyException.*; .*StandbyException/),
    })
    expect([one.asked.length, two.asked.length]).toEqual([1, 1])
  })

  it('are not asked in turn for what the first one knows', async () => {
    await using one = await scriptedHdfs({})
    await using two = await good()
    await refused(all(sourceOf([one.nameNode.origin, two.nameNode.origin])), { code: 'no-such-file' })
    expect(two.asked).toEqual([])
  })
})

describe('a DataNode', () => {
  it.each([0, 1, 65_536, 299_999])(
    'that cuts its answer after %d bytes is left out of the next attempt',
    async (after) => {
      await using hdfs = await good()
      hdfs.onDataNode = (operation, response) => {
        if (operation !== 'OPEN') return
        response.writeHead(200, { 'content-length': bytes.length })
        cut(response, bytes.subarray(0, after))
      }
      const excluded: (string | null)[] = []
      hdfs.onNameNode = (operation, _, query) => {
        if (operation === 'OPEN') excluded.push(query.get('excludedatanodes'))
        return
      }
      const source = sourceOf([hdfs.nameNode.origin])
      await refused(all(source), { kind: 'interrupted', code: 'connection-lost' })
      await refused(all(source), { kind: 'interrupted' })
      expect(excluded).toEqual([null, '127.0.0.1'])
    },
  )

  it('that does not answer is named, and may be tried again', async () => {
    await using hdfs = await good()
    await hdfs.dataNode.close()
    await refused(all(sourceOf([hdfs.nameNode.origin])), {
      kind: 'unavailable',
      code: 'connection-refused',
      message: expect.stringContaining(`DataNode ${hdfs.dataNode.origin}`),
    })
  })

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['less', bytes.subarray(1)],
    ['more', Buffer.concat([bytes, bytes])],
  ])('that sends %s with a whole head has another version', async (_, body) => {
    await using hdfs = await good()
    hdfs.onDataNode = (_operation, response) => response.writeHead(200, { 'content-length': body.length }).end(body)
    await refused(all(sourceOf([hdfs.nameNode.origin])), { kind: 'corrupt', code: 'source-changed' })
  })

  it.each([
    ['less', bytes.subarray(1), 'interrupted', 'cut-short'],
    ['more', Buffer.concat([bytes, bytes]), 'corrupt', 'too-many-bytes'],
  ])('that sends %s without saying how much is found out', async (_, body, kind, code) => {
    await using hdfs = await good()
    hdfs.onDataNode = (_operation, response) => response.writeHead(200, { 'transfer-encoding': 'chunked' }).end(body)
    await refused(all(sourceOf([hdfs.nameNode.origin])), { kind, code })
  })

  it('that stalls is given up', async () => {
    await using hdfs = await good()
    hdfs.onDataNode = (_, response) => {
      response.writeHead(200, { 'content-length': bytes.length }).write(bytes.subarray(0, 1000))
    }
    const source = sourceOf([hdfs.nameNode.origin], {}, {})
    await refused(all(source), { kind: 'interrupted', code: 'stalled' })
  })

  it('whose name nobody knows is found by the address that the plan gives for it, or that the NameNode knows', async () => {
    await using hdfs = await good()
    const { port } = new URL(hdfs.dataNode.origin)
    hdfs.dataNodeOrigin = `http://datanode-1.invalid:${port}`
    const endpoints = [hdfs.nameNode.origin]
    await refused(all(sourceOf(endpoints)), {
      kind: 'unavailable',
      code: 'datanode-not-found',
      message: expect.stringContaining('datanode-1.invalid'),
      hint: expect.stringContaining('hadoop.hostAliases'),
    })
    expect((await all(sourceOf(endpoints, { hostAliases: { 'DataNode-1.invalid': '127.0.0.1' } }))).equals(bytes)).toBe(
      true,
    )
    hdfs.onNameNode = (operation, response) => {
      if (operation !== 'GETFILEBLOCKLOCATIONS') return
      const location = { hosts: ['datanode-1.invalid'], names: ['127.0.0.1:9866'], offset: 0, length: 1 }
      json(response, { BlockLocations: { BlockLocation: [location] } })
    }
    expect((await all(sourceOf(endpoints))).equals(bytes)).toBe(true)
    expect(hdfs.dataNode.requests.at(-1)!.headers.host).toBe(`datanode-1.invalid:${port}`)
  })

  it.each([
    ['http://169.254.169.254/latest', 'address-refused'],
    ['ftp://127.0.0.1/x', 'bad-redirect'],
    ['http://', 'bad-redirect'],
  ])('at %s is not dialled', async (location, code) => {
    await using hdfs = await good()
    hdfs.onNameNode = (operation, response) => {
      if (operation !== 'OPEN') return
      response.writeHead(307, { location }).end()
    }
    await refused(all(sourceOf([hdfs.nameNode.origin])), { kind: 'unsafe', code })
  })

  it('that points on and on is left', async () => {
    await using hdfs = await good()
    hdfs.onDataNode = (_, response) => response.writeHead(307, { location: `${hdfs.dataNode.origin}/x?op=OPEN` }).end()
    await refused(all(sourceOf([hdfs.nameNode.origin])), { kind: 'unsafe', code: 'too-many-redirects' })
  })
})

describe('a version', () => {
  it('that changes while it is read is found at the end, and by the next range', async () => {
    await using hdfs = await good()
    const source = sourceOf([hdfs.nameNode.origin])
    const first = await source.open(item, { offset: 0 })
    hdfs.files.set('/a.jar', { bytes, status: { modificationTime: 2 } })
    await refused(read(first.stream), { kind: 'corrupt', code: 'source-changed' })
    await refused(source.open(item, { offset: 0, end: 10, etag: first.etag }), {
      kind: 'corrupt',
      code: 'source-changed',
    })
    expect(await source.open(item, { offset: 5, etag: first.etag })).toMatchObject({ start: 0 })
  })
})

describe('a delegation token', () => {
  const secret = 'HTTP gateway secret'
  const tokenFile = async (name: string, content: Buffer | string): Promise<string> => {
    const file = join(directory, name)
    await writeFile(file, content)
    return file
  }

  it.each([
    ['in the writable format', (token: Parameters<typeof writableFile>[0]) => writableFile(token)],
    ['in protocol buffers', (token: Parameters<typeof writableFile>[0]) => protobufFile(token)],
    [
      'as WebHDFS takes it',
      (token: Parameters<typeof writableFile>[0]) => `${urlStringOf({ ...token[1]!, service: '' })}\n`,
    ],
  ])('%s goes to the NameNodes it is for, and nowhere else', async (name, write) => {
    await using hdfs = await good()
    const tokens = [tokenFor('ha-hdfs:other'), tokenFor('cargo'), tokenFor('x', { kind: 'kms-dt' })]
    const file = await tokenFile('tokens', write(tokens))
    const gateway = await tokenFile('gateway', `X-Gateway: ${secret}`)
    const origins = { [hdfs.nameNode.origin]: { headerFile: gateway } }
    const redactor = new Redactor()
    const source = sourceOf([hdfs.nameNode.origin], { tokenFile: file }, { origins, redactor })
    expect((await all(source)).equals(bytes)).toBe(true)
    const sent = new URL(hdfs.nameNode.requests[0]!.path, 'http://x').searchParams
    const expected = urlStringOf(name === 'as WebHDFS takes it' ? { ...tokens[1]!, service: '' } : tokens[1]!)
    expect([sent.get('delegation'), sent.get('user.name')]).toEqual([expected, null])
    expect(hdfs.nameNode.requests[0]!.headers['x-gateway']).toBe(secret)
    for (const { headers } of hdfs.dataNode.requests) {
      expect(headers['x-gateway']).toBeUndefined()
      expect(headers.cookie).toBeUndefined()
    }
    expect(redactor.scrub(`${expected} minted-by-the-server ${secret}`)).toBe('[secret] [secret] [secret]')
  })

  it('comes from where the environment says, when the plan does not', async () => {
    await using hdfs = await good()
    const file = await tokenFile('tokens', writableFile([tokenFor('cargo')]))
    const source = sourceOf([hdfs.nameNode.origin], {}, { environment: { HADOOP_TOKEN_FILE_LOCATION: file } })
    await all(source)
    expect(hdfs.nameNode.requests[0]!.path).toContain('delegation=')
  })

  it.each([
    ['of another service', [tokenFor('ha-hdfs:elsewhere')], 'no-token', /ha-hdfs:elsewhere/],
    ['that has expired', [tokenFor('cargo', { maxDate: 1_000_000_000_000 })], 'token-expired', /2001-09-09/],
    ['of another kind', [tokenFor('cargo', { kind: 'kms-dt' })], 'no-token', /nothing/],
  ])('%s is not sent at all', async (_, tokens, code, message) => {
    await using hdfs = await good()
    const settings = {
      tokenFile: await tokenFile('tokens', writableFile(tokens)),
      properties: { 'hadoop.security.authentication': 'kerberos' },
    }
    const error = await all(sourceOf([hdfs.nameNode.origin], settings)).catch((failure: unknown) => failure)
    expect(error).toMatchObject({ kind: 'denied', code, message: expect.stringMatching(message) })
    expect(hdfs.asked).toEqual([])
  })

  it('that is not in the file is said to be missing, and the name alone is sent where nothing else is demanded', async () => {
    await using hdfs = await good()
    const lines: string[] = []
    const tokens = [tokenFor('ha-hdfs:elsewhere')]
    const file = await tokenFile('tokens', writableFile(tokens))
    const source = sourceOf([hdfs.nameNode.origin], { tokenFile: file }, { log: (line) => lines.push(line) })
    expect((await all(source)).equals(bytes)).toBe(true)
    const sent = new URL(hdfs.nameNode.requests[0]!.path, 'http://x').searchParams
    expect([sent.get('delegation'), sent.get('user.name')]).toEqual([null, 'alice'])
    const told = lines.filter((line) => line.includes('delegation token'))
    expect(told).toEqual([
      `cargo is asked as alice and without a delegation token: ${file} has tokens for ha-hdfs:elsewhere`,
    ])
    expect(lines.join()).not.toContain(urlStringOf(tokens[0]!))
  })

  it('that was refused and is another by now is sent once more; else the refusal stands', async () => {
    await using hdfs = await good()
    const stale = tokenFor('cargo', { password: Buffer.from('stale') })
    const file = await tokenFile('tokens', writableFile([stale]))
    hdfs.onNameNode = (_, response, query) => {
      if (query.get('delegation') !== urlStringOf(stale)) return
      refuse(response, 403, 'InvalidToken', `token (${query.get('delegation')}) can't be found in cache`)
    }
    const redactor = new Redactor()
    const source = sourceOf([hdfs.nameNode.origin], { tokenFile: file }, { redactor })
    const error = await all(source).catch((failure: unknown) => failure as Error)
    expect(error).toMatchObject({ kind: 'denied', code: 'token-refused' })
    expect(redactor.scrub((error as Error).message)).not.toContain(urlStringOf(stale))
    expect(hdfs.asked.length).toBe(1)
    await writeFile(file, protobufFile([tokenFor('cargo')]))
    expect((await all(source)).equals(bytes)).toBe(true)
  })

  it('is in no word of a failed run', async () => {
    await using hdfs = await good()
    await using bench = await workbench()
    const token = tokenFor('cargo')
    const file = await tokenFile('tokens', writableFile([token]))
    await hdfs.dataNode.close()
    const hadoop = { tokenFile: file, webhdfs: { cargo: [hdfs.nameNode.origin] } }
    const run = bench.run([{ uri, to: 'a' }], { hadoop, limits: { attemptsMax: 2 } })
    const { message, context, hint } = (await run.catch((failure: unknown) => failure)) as SupercargoError
    const text = JSON.stringify([message, context, hint])
    expect(text).toContain('connection refused')
    expect(text).not.toMatch(/delegation|minted/)
    expect(text).not.toContain(urlStringOf(token))
  })
})

describe('a gateway', () => {
  it('that answers with the bytes itself, below a path of its own, is a source like any other', async () => {
    await using hdfs = await good()
    hdfs.onNameNode = (operation, response) => {
      if (operation === 'OPEN') response.writeHead(200, { 'content-length': bytes.length }).end(bytes)
    }
    const source = sourceOf([`${hdfs.nameNode.origin}/gateway/default/`])
    expect((await all(source)).equals(bytes)).toBe(true)
    expect(hdfs.nameNode.requests[0]!.path).toMatch(/^\/gateway\/default\/webhdfs\/v1\/a\.jar\?/)
  })

  it('sends the name of the user as one value, whatever is in it', async () => {
    await using hdfs = await good()
    await all(sourceOf([hdfs.nameNode.origin], { user: 'eve&op=DELETE&user.name=root' }))
    const { searchParams } = new URL(hdfs.nameNode.requests[0]!.path, 'http://x')
    expect([searchParams.getAll('user.name'), searchParams.getAll('op')]).toEqual([
      ['eve&op=DELETE&user.name=root'],
      ['GETFILESTATUS'],
    ])
  })
})

describe('a keytab', () => {
  it('without the package for it says what to install', async () => {
    await using hdfs = await good()
    await refused(all(sourceOf([hdfs.nameNode.origin], { kerberos: { keytabFile: '/none' } })), {
      kind: 'invalid',
      code: 'no-kerberos',
      hint: expect.stringContaining('npm install kerberos'),
    })
  })
})

describe('a listing', () => {
  const entry = (name: string, type = 'FILE') => ({ type, length: 1, modificationTime: 1, pathSuffix: name })
  const folder = { kind: 'uri', uri: 'hdfs://cargo/set/' } as const

  it('of a server without pages is taken whole', async () => {
    await using hdfs = await good()
    hdfs.onNameNode = (operation, response) => {
      if (operation === 'LISTSTATUS') json(response, { FileStatuses: { FileStatus: [entry('a b'), entry('c*')] } })
      else refuse(response, 400, 'IllegalArgumentException', 'Invalid value for webhdfs parameter "op"')
    }
    const listed = await sourceOf([hdfs.nameNode.origin]).list!(folder, { filesMax: 2 })
    expect(listed?.map(({ item: one, path }) => [one.kind === 'uri' && one.uri, path])).toEqual([
      ['hdfs://cargo/set/a%20b', 'a b'],
      ['hdfs://cargo/set/c%2A', 'c*'],
    ])
  })

  it('says of each file what need not be asked again, and a file that changed since is begun anew', async () => {
    await using hdfs = await good()
    await using bench = await workbench()
    const contents = ['/set/a', '/set/b'].map((path, index) => [path, { bytes: bytesOf(1000, index + 1) }] as const)
    for (const [path, file] of contents) hdfs.files.set(path, file)
    hdfs.onNameNode = (operation, response) => {
      if (operation !== 'LISTSTATUS_BATCH') return
      const of = (name: string) => ({ ...entry(name), length: 1000, fileId: 16_400 })
      const partialListing = { FileStatuses: { FileStatus: [of('a'), of('b')] } }
      json(response, { DirectoryListing: { partialListing, remainingEntries: 0 } })
      const changed = { bytes: bytesOf(1000, 9), status: { modificationTime: 2 } }
      if (isChanging) hdfs.files.set('/set/b', changed)
    }
    let isChanging = false
    const hadoop = { user: 'alice', webhdfs: { cargo: [hdfs.nameNode.origin] } }
    const files = async (to: string): Promise<string[]> => {
      hdfs.asked.length = 0
      await bench.run([{ uri: folder.uri, to }], { hadoop })
      return [await bench.read(`${to}/a`), await bench.read(`${to}/b`)]
    }
    const asked = (): string[] => hdfs.asked.filter((each) => each.startsWith('GETFILESTATUS')).sort()
    expect(await files('first')).toEqual(contents.map(([, file]) => file.bytes.toString('latin1')))
    // Once for each, when its bytes are there.
    expect(asked()).toEqual(['GETFILESTATUS /set/a', 'GETFILESTATUS /set/b'])
    isChanging = true
    expect((await files('second'))[1]).toBe(bytesOf(1000, 9).toString('latin1'))
  })

  it.each([
    ['a symbolic link', [entry('a', 'SYMLINK')], 'symbolic-link'],
    ['more files than the limit', [entry('a'), entry('b'), entry('c')], 'too-many-files'],
    ['only what is hidden', [entry('.a'), entry('_temporary', 'DIRECTORY')], 'nothing-found'],
  ])('with %s is refused', async (_, entries, code) => {
    await using hdfs = await good()
    hdfs.onNameNode = (_operation, response) =>
      json(response, {
        DirectoryListing: { partialListing: { FileStatuses: { FileStatus: entries } }, remainingEntries: 0 },
      })
    const listing = sourceOf([hdfs.nameNode.origin]).list!(folder, { filesMax: 2 })
    await expect(listing).rejects.toMatchObject({ code })
  })

  it('that never goes on is an error and no endless loop', async () => {
    await using hdfs = await good()
    const partialListing = { FileStatuses: { FileStatus: [entry('a')] } }
    hdfs.onNameNode = (_, response) => json(response, { DirectoryListing: { partialListing, remainingEntries: 5 } })
    const listing = sourceOf([hdfs.nameNode.origin]).list!(folder, { filesMax: 100 })
    await expect(listing).rejects.toMatchObject({ kind: 'corrupt', code: 'not-webhdfs' })
  })
})
