/** Who reads becomes an owner, with few questions to the cluster, and nothing that the cluster does keeps the bytes waiting. */
import { SupercargoError } from '@supercargo/protocol'
import { ManualClock } from '@supercargo/transfer'
import { describe, expect, it } from 'vitest'
import { createLog } from '../../log.ts'
import { download, upload } from '../../testing/hadoop-client.ts'
import { startTestServer } from '../../testing/test-server.ts'
import type { FindReader } from './readers.ts'
import { createReaders } from './readers.ts'

const driver = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'driver', uid: 'u1' }
const directory = 'spark-upload-0a1b2c3d-0000-4000-8000-0123456789ab'

function readersWith(find: FindReader, clock = new ManualClock()) {
  const changed: string[] = []
  const store = { update: async (id: string) => void changed.push(id) } as never
  return { changed, clock, readers: createReaders({ store, find, log: createLog({ level: 'silent' }), clock }) }
}

describe('the pod that reads', () => {
  it('is asked for once, however many files it reads and however often', async () => {
    const asked: string[] = []
    const { readers, changed } = readersWith(async (address) => {
      asked.push(address)
      return driver
    })
    for (let turn = 0; turn < 50; turn++)
      for (const address of ['10.0.0.1', '10.0.0.2']) for (const id of ['a', 'b']) readers.seen(id, 'spark', address)
    await readers.settled()
    expect(new Set(asked)).toEqual(new Set(['10.0.0.1', '10.0.0.2']))
    expect(asked.length).toBeLessThanOrEqual(4)
    expect(changed.sort()).toEqual(['a', 'a', 'b', 'b'])
  })

  it('is looked for once more when the cluster does not know its address yet', async () => {
    let known = false
    const { readers, changed, clock } = readersWith(async () => (known ? driver : undefined))
    readers.seen('a', 'spark', '10.0.0.1')
    await readers.settled()
    expect(changed).toEqual([])
    known = true
    await clock.advance(20_000)
    await readers.settled()
    expect(changed).toEqual(['a'])
    readers.close()
  })

  it('is asked for again at the next read after a failure', async () => {
    let failures = 1
    const { readers, changed } = readersWith(async () => {
      if (failures-- > 0) throw new SupercargoError('unavailable', 'kube-down', 'no answer')
      return driver
    })
    readers.seen('a', 'spark', '10.0.0.1')
    await readers.settled()
    readers.seen('a', 'spark', '10.0.0.1')
    await readers.settled()
    expect(changed).toEqual(['a'])
  })

  it('becomes the owner of what it reads of a submission; other files keep theirs', async () => {
    const lookups: string[] = []
    const findReader: FindReader = async (address, namespace) => {
      lookups.push(`${namespace} ${address}`)
      return driver
    }
    const server = await startTestServer({ frontDoor: { findReader } })
    try {
      const ownersOf = async (path: string) => {
        const entry = await server.frontDoor.names.look({ namespace: 'spark', tree: 'anonymous', path })
        const record = await server.store.read(entry?.type === 'file' ? entry.resourceId : '')
        return { uid: record?.owners[0]?.uid, maxAgeMs: record?.maxAgeMs, door: record?.door }
      }
      for (const path of [`${directory}/a`, 'shared/b', `claim=x/${directory}/c`]) {
        await upload(server, `/spark/${path}`, 'bytes')
        expect((await ownersOf(path)).uid).toBeUndefined()
        await download(server, `/spark/${path}`)
      }
      await expect.poll(async () => (await ownersOf(`${directory}/a`)).uid).toBe('u1')
      expect(await ownersOf(`${directory}/a`)).toEqual({ uid: 'u1', maxAgeMs: undefined, door: 'webhdfs' })
      expect(await ownersOf('shared/b')).toEqual({ uid: undefined, maxAgeMs: 7 * 86_400_000, door: 'webhdfs' })
      expect(await ownersOf(`claim=x/${directory}/c`)).toMatchObject({ uid: undefined, maxAgeMs: undefined })
      expect(lookups).toEqual(['spark 127.0.0.1'])
    } finally {
      await server.stop()
    }
  })
})
