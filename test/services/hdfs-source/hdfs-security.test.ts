/** A real HDFS with Kerberos: the token file of Hadoop opens it in every form, a keytab too, and nothing else does. */
import { readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type DelegationToken, parseTokenFile, urlStringOf } from '../../../packages/localizer/src/hadoop/token-file.ts'
import { createHdfsSource } from '../../../packages/localizer/src/sources/hdfs/hdfs.ts'
import { Redactor } from '../../../packages/localizer/src/sources/secret-text.ts'
import { protobufFile, writableFile } from '../../../packages/localizer/src/testing/hadoop-tokens.ts'
import { read } from '../../../packages/localizer/src/testing/source-contract.ts'
import { repository } from '../../architecture/sources.ts'
import { command, tryCommand } from '../command.ts'
import { describeWith, type OwnInstance, ownInstance, provisionTimeoutMs, stopped } from '../running.ts'
import { kerberosPackage } from './kerberos-package.ts'

const progress = { say: () => {}, signal: AbortSignal.timeout(provisionTimeoutMs) }

describeWith(['hdfs-kerberos'], 'the HDFS source and Kerberos', () => {
  let instance: OwnInstance<'hdfs-kerberos'>
  let file: string
  let token: DelegationToken

  beforeAll(async () => {
    instance = await ownInstance('hdfs-kerberos')
    file = join(instance.directory, 'token')
    await command([instance.details.hdfsCommand, 'fetchdt', '--renewer', instance.details.user, file])
    token = parseTokenFile(await readFile(file), file)[0]!
  }, provisionTimeoutMs)

  afterAll(async () => {
    expect(await stopped(instance)).toEqual([])
  })

  const tokenFile = async (content: Buffer | string): Promise<string> => {
    const other = join(instance.directory, 'other-token')
    await writeFile(other, content)
    return other
  }
  const readBy = async (settings: object, redactor = new Redactor(), uri = 'hdfs:///.ready'): Promise<string> => {
    const source = createHdfsSource({
      settings: { confDirectory: instance.details.configurationDirectory, ...settings },
      origins: {},
      environment: {},
      idleTimeoutMs: 20_000,
      socketsMax: 4,
      redactor,
    })
    try {
      return (await read((await source.open({ kind: 'uri', uri }, { offset: 0 })).stream)).toString()
    } finally {
      source.close()
    }
  }

  it('reads by the token file that Hadoop wrote, whose service it recognizes', async () => {
    const redactor = new Redactor()
    expect(await readBy({ tokenFile: file }, redactor)).toBe('ready')
    expect(redactor.scrub(urlStringOf(token))).toBe('[secret]')
    const { url } = instance.details
    expect(await readBy({ tokenFile: file }, redactor, `${url}/.ready`)).toBe('ready')
  })

  it('reads by the same token in the other formats', async () => {
    expect(await readBy({ tokenFile: await tokenFile(writableFile([token])) })).toBe('ready')
    expect(await readBy({ tokenFile: await tokenFile(protobufFile([token])) })).toBe('ready')
    expect(await readBy({ tokenFile: await tokenFile(urlStringOf({ ...token, service: '' })) })).toBe('ready')
  })

  it('says which token is refused, and which it did not even send', async () => {
    const refused = (settings: object, expected: object) => expect(readBy(settings)).rejects.toMatchObject(expected)
    await refused({}, { kind: 'denied', code: 'no-token', hint: expect.stringContaining('hadoop.tokenFile') })
    const elsewhere = await tokenFile(protobufFile([{ ...token, service: 'ha-hdfs:elsewhere' }]))
    await refused({ tokenFile: elsewhere }, { code: 'no-token', message: expect.stringContaining('ha-hdfs:elsewhere') })
    const forged = await tokenFile(protobufFile([{ ...token, password: Buffer.alloc(20, 1) }]))
    await refused({ tokenFile: forged }, { kind: 'denied', code: 'token-refused' })
    const unknown = { confDirectory: undefined, webhdfs: { x: [instance.details.webUrl] } }
    const byName = readBy({ ...unknown, user: 'alice' }, new Redactor(), 'hdfs://x/.ready')
    await expect(byName).rejects.toMatchObject({
      kind: 'denied',
      code: 'authentication-required',
      hint: expect.stringContaining('Kerberos'),
    })
  })

  it('ends with the token: a cancelled one is refused, and one that is put in its place is sent', async () => {
    const mutable = await tokenFile(await readFile(file))
    const source = createHdfsSource({
      settings: { confDirectory: instance.details.configurationDirectory, tokenFile: mutable },
      origins: {},
      environment: {},
      idleTimeoutMs: 20_000,
      socketsMax: 4,
      redactor: new Redactor(),
    })
    const open = async () =>
      (await read((await source.open({ kind: 'uri', uri: 'hdfs:///.ready' }, { offset: 0 })).stream)).toString()
    expect(await open()).toBe('ready')
    await command([instance.details.hdfsCommand, 'fetchdt', '--cancel', mutable])
    await expect(open()).rejects.toMatchObject({ kind: 'denied', code: 'token-refused' })
    await command([instance.details.hdfsCommand, 'fetchdt', '--renewer', instance.details.user, `${mutable}.new`])
    await writeFile(mutable, await readFile(`${mutable}.new`))
    expect(await open()).toBe('ready')
    source.close()
  })

  it('reads by a keytab, as the bundled program with the optional package beside it, and names what is wrong with one', async () => {
    const { details, directory } = instance
    const dist = join(directory, 'dist')
    await command([process.execPath, join(repository, 'test/build/build.ts'), '--out', dist])
    const localize = async (settings: object, keytab: object) => {
      const plan = join(directory, 'plan.json')
      const kerberos = {
        principal: details.user,
        keytabFile: details.userKeytab,
        configFile: details.kerberosConfiguration,
        ...keytab,
      }
      const hadoop = { confDirectory: details.configurationDirectory, kerberos, ...settings }
      const uris = ['hdfs:///.ready', `${details.url}/.ready`]
      const items = uris.map((uri, index) => ({ uri, to: String(index) }))
      const root = join(directory, 'root')
      await rm(root, { recursive: true, force: true })
      await writeFile(plan, JSON.stringify({ version: 1, root, items, hadoop, limits: { attemptsMax: 1 } }))
      const log = join(directory, 'termination')
      const run = await tryCommand(
        [process.execPath, join(dist, 'supercargo.mjs'), 'localize', plan, '--termination-log', log],
        {},
      )
      if (run.exitCode === 0) return await readFile(join(root, '1'), 'utf8')
      expect(run.stderr + (await readFile(log, 'utf8'))).not.toContain('delegation=')
      return (JSON.parse(await readFile(log, 'utf8')) as { code: string }).code
    }
    expect(await localize({}, {})).toBe('no-kerberos')
    await symlink(join(await kerberosPackage(progress), 'node_modules'), join(dist, 'node_modules'))
    expect(await localize({}, {})).toBe('ready')
    expect(await localize({}, { principal: undefined })).toBe('ready')
    expect(await localize({}, { keytabFile: join(directory, 'none') })).toBe('no-such-file')
    expect(await localize({}, { principal: 'mallory' })).toBe('keytab-refused')
    await writeFile(join(directory, 'empty.keytab'), '')
    expect(await localize({}, { keytabFile: join(directory, 'empty.keytab') })).toBe('keytab-refused')
    const numeric = { webhdfs: { [new URL(details.url).host]: [details.webUrl.replace('localhost', '127.0.0.1')] } }
    expect(await localize(numeric, {})).toBe('unknown-principal')
    const empty = join(directory, 'empty.conf')
    await writeFile(empty, '')
    expect(await localize({}, { configFile: empty })).toMatch(/realm|keytab-refused|key-distribution/)
  })
})
