/** A NameNode and a DataNode as a test service: bytes, ranges, permissions and delegation tokens are Hadoop's own. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { command } from '../command.ts'
import { describeWith, type OwnInstance, ownInstance, provisionTimeoutMs, stopped } from '../running.ts'
import { create, open, request } from './web-hdfs.ts'

describeWith(['hdfs'], 'hdfs', () => {
  let instance: OwnInstance<'hdfs'>

  beforeAll(async () => {
    instance = await ownInstance('hdfs')
  }, provisionTimeoutMs)

  afterAll(async () => {
    expect(await stopped(instance)).toEqual([])
  })

  it('returns over WebHDFS what was written over WebHDFS, whole and from an offset', async () => {
    const { webUrl, superuser } = instance.details
    expect(await create(webUrl, '/data/a b+c%.txt', superuser, 'one two three')).toBe(201)
    expect(await (await open(webUrl, '/data/a b+c%.txt', superuser)).text()).toBe('one two three')
    expect(await (await open(webUrl, '/data/a b+c%.txt', superuser, { offset: '4', length: '3' })).text()).toBe('two')
    expect((await open(webUrl, '/data/none', superuser)).status).toBe(404)
  })

  it('holds to its permissions', async () => {
    const { webUrl, superuser } = instance.details
    await create(webUrl, '/private.txt', superuser, 'mine')
    await request(webUrl, '/private.txt', 'SETPERMISSION', superuser, { method: 'PUT', permission: '600' })
    const refused = await open(webUrl, '/private.txt', 'somebody')
    expect([refused.status, await refused.text()]).toEqual([403, expect.stringContaining('AccessControlException')])
  })

  it('issues delegation tokens over WebHDFS, renews and cancels them', async () => {
    const { webUrl, superuser } = instance.details
    const issued = (await (
      await request(webUrl, '/', 'GETDELEGATIONTOKEN', superuser, { renewer: superuser })
    ).json()) as {
      Token: { urlString: string }
    }
    const token = issued.Token.urlString
    expect((await request(webUrl, '/', 'RENEWDELEGATIONTOKEN', superuser, { method: 'PUT', token })).status).toBe(200)
    expect((await request(webUrl, '/', 'CANCELDELEGATIONTOKEN', superuser, { method: 'PUT', token })).status).toBe(200)
    expect((await request(webUrl, '/', 'RENEWDELEGATIONTOKEN', superuser, { method: 'PUT', token })).status).toBe(403)
  })

  it('shares its files with Hadoop’s own client over RPC, which writes a token file', async () => {
    const { webUrl, superuser, hdfsCommand, url } = instance.details
    await create(webUrl, '/shared.txt', superuser, 'over both')
    expect(await command([hdfsCommand, 'dfs', '-cat', `${url}/shared.txt`])).toBe('over both')
    const file = join(instance.directory, 'token')
    await command([hdfsCommand, 'fetchdt', '--renewer', superuser, file])
    const token = await readFile(file)
    expect(token.subarray(0, 4).toString()).toBe('HDTS')
    expect(token.includes('HDFS_DELEGATION_TOKEN')).toBe(true)
  })
})
