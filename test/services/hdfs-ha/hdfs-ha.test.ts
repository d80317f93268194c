/** A pair of NameNodes as a test service: the standby refuses, and takes over with everything when the active one is killed. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { command } from '../command.ts'
import { create, open, request } from '../hdfs/web-hdfs.ts'
import { describeWith, type OwnInstance, ownInstance, provisionTimeoutMs, stopped } from '../running.ts'
import { until } from '../until.ts'

describeWith(['hdfs-ha'], 'hdfs-ha', () => {
  let instance: OwnInstance<'hdfs-ha'>

  beforeAll(async () => {
    instance = await ownInstance('hdfs-ha')
  }, provisionTimeoutMs)

  afterAll(async () => {
    expect(await stopped(instance)).toEqual([])
  })

  it('answers from the active one, and its standby says that it is one', async () => {
    const { webUrl1, webUrl2, superuser } = instance.details
    expect(await create(webUrl1, '/cargo.txt', superuser, 'kept')).toBe(201)
    const standby = await request(webUrl2, '/cargo.txt', 'GETFILESTATUS', superuser)
    expect([standby.status, await standby.text()]).toEqual([403, expect.stringContaining('StandbyException')])
  })

  it('goes on with the standby when the active one is killed', async () => {
    const { webUrl2, superuser, hdfsCommand, nameNodePid1, url } = instance.details
    process.kill(Number(nameNodePid1), 'SIGKILL')
    await command([hdfsCommand, 'haadmin', '-failover', '--forcefence', '--forceactive', 'nn1', 'nn2'])
    const read = async (): Promise<string | undefined> => {
      const answer = await open(webUrl2, '/cargo.txt', superuser)
      return answer.status === 200 ? answer.text() : undefined
    }
    expect(await until('the file on the other one', read, { timeoutMs: 180_000 })).toBe('kept')
    expect(await command([hdfsCommand, 'dfs', '-cat', `${url}/cargo.txt`])).toBe('kept')
  })
})
