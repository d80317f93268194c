/** A pair of real NameNodes: a transfer outlives the active one, and a run goes on with the other when it has taken over. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createHdfsSource } from '../../../packages/localizer/src/sources/hdfs/hdfs.ts'
import { Redactor } from '../../../packages/localizer/src/sources/secret-text.ts'
import { read } from '../../../packages/localizer/src/testing/source-contract.ts'
import { bytesOf, workbench } from '../../../packages/localizer/src/testing/workbench.ts'
import { command } from '../command.ts'
import { create } from '../hdfs/web-hdfs.ts'
import { describeWith, type OwnInstance, ownInstance, provisionTimeoutMs, stopped } from '../running.ts'
import { until } from '../until.ts'

const mebibyte = 1 << 20

describeWith(['hdfs-ha'], 'the HDFS source and a pair of NameNodes', () => {
  let instance: OwnInstance<'hdfs-ha'>

  beforeAll(async () => {
    instance = await ownInstance('hdfs-ha')
  }, provisionTimeoutMs)

  afterAll(async () => {
    expect(await stopped(instance)).toEqual([])
  })

  const hadoop = () => ({
    confDirectory: instance.details.configurationDirectory,
    user: instance.details.superuser,
  })
  const source = () =>
    createHdfsSource({
      settings: hadoop(),
      origins: {},
      environment: {},
      idleTimeoutMs: 30_000,
      socketsMax: 8,
      redactor: new Redactor(),
    })

  it('reads by the name of the pair, also when the first of its NameNodes is on standby', async () => {
    const { webUrl1, superuser, hdfsCommand } = instance.details
    for (const [name, seed] of [
      ['one', 1],
      ['two', 2],
      ['three', 3],
    ] as const)
      expect(await create(webUrl1, `/${name}`, superuser, bytesOf(12 * mebibyte, seed))).toBe(201)
    const reading = source()
    const opened = () => reading.open({ kind: 'uri', uri: 'hdfs://cargo/one' }, { offset: 0 })
    expect((await read((await opened()).stream)).equals(bytesOf(12 * mebibyte, 1))).toBe(true)
    await command([hdfsCommand, 'haadmin', '-failover', 'nn1', 'nn2'])
    expect((await read((await opened()).stream)).equals(bytesOf(12 * mebibyte, 1))).toBe(true)
    await command([hdfsCommand, 'haadmin', '-failover', 'nn2', 'nn1'])
    const whole = await opened()
    expect((await read(whole.stream)).equals(bytesOf(12 * mebibyte, 1))).toBe(true)
    reading.close()
  })

  it('ends a transfer that began, and goes on with the other, when the active one is killed in the middle', async () => {
    const { hdfsCommand, nameNodePid1 } = instance.details
    const reading = source()
    const item = { kind: 'uri', uri: 'hdfs:///two' } as const
    const opened = await reading.open(item, { offset: 0 })
    const chunks: Buffer[] = [(await first(opened.stream)) as Buffer]
    process.kill(Number(nameNodePid1), 'SIGKILL')
    await using bench = await workbench()
    // It begins while no NameNode is active: the standby refuses, the other is gone.
    const items = ['one', 'three'].map((name) => ({ uri: `hdfs://cargo/${name}`, to: name }))
    const limits = { deadlineMs: 240_000, attemptsMax: 100 }
    const run = bench.run(items, { hadoop: hadoop(), limits })
    await command([hdfsCommand, 'haadmin', '-failover', '--forcefence', '--forceactive', 'nn1', 'nn2'])
    await run
    expect(await bench.read('one')).toBe(bytesOf(12 * mebibyte, 1).toString('latin1'))
    expect(await bench.read('three')).toBe(bytesOf(12 * mebibyte, 3).toString('latin1'))
    // The bytes come from the DataNode, and their end is confirmed by whoever is active now.
    chunks.push(await read(opened.stream))
    expect(Buffer.concat(chunks).equals(bytesOf(12 * mebibyte, 2))).toBe(true)
    const rest = await until(
      'the rest',
      async () => await reading.open(item, { offset: mebibyte, etag: opened.etag }),
      {
        timeoutMs: 60_000,
      },
    )
    expect(rest.start).toBe(mebibyte)
    expect((await read(rest.stream)).equals(bytesOf(12 * mebibyte, 2).subarray(mebibyte))).toBe(true)
    reading.close()
  })
})

/** One chunk; the rest stays where it is. */
async function first(stream: NodeJS.ReadableStream): Promise<unknown> {
  for (;;) {
    const chunk = stream.read()
    if (chunk !== null) return chunk
    await new Promise((resolve) => stream.once('readable', resolve))
  }
}
