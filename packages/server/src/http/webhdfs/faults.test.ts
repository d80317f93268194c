/** An upload by WebHDFS while the disk fails: acknowledged and there, or refused and nowhere, at whichever call. */
import { afterEach, describe, expect, it } from 'vitest'
import { FaultyFileSystem } from '../../testing/faulty-file-system.ts'
import { download, hadoop, remoteError, upload } from '../../testing/hadoop-client.ts'
import { startTestServer, type TestServer } from '../../testing/test-server.ts'

let server: TestServer
afterEach(() => server.stop())

describe('an upload while the n-th call to the disk fails', () => {
  it.each(['EIO', 'ENOSPC'])('(%s) is there when it was acknowledged, and leaves nothing when not', async (errno) => {
    const disk = new FaultyFileSystem()
    server = await startTestServer({ fs: disk.system })
    for (let n = 1, failed = true; failed; n++) {
      const path = `/spark/d${n}/a`
      disk.arm(n, errno)
      const answer = await upload(server, path, `bytes ${n}`)
      failed = disk.failed
      disk.revive()
      const got = await download(server, path)
      if (answer.status === 201) expect([got.status, got.bytes.toString()], `call ${n}`).toEqual([200, `bytes ${n}`])
      else {
        expect(remoteError(answer).thrown, `call ${n}`).toMatch(/IOException/)
        expect([500, 503, 507], `call ${n}: ${answer.text}`).toContain(answer.status)
        expect(got.status, `call ${n}`).toBe(404)
      }
      await server.store.maintenance.sweepLeftovers()
      expect(await server.incoming(), `call ${n}`).toEqual([])
      expect(server.store.usage().reservedBytes, `call ${n}`).toBe(0)
    }
  })

  it('keeps the old file when the new one could not be committed', async () => {
    const disk = new FaultyFileSystem()
    server = await startTestServer({ fs: disk.system })
    await upload(server, '/spark/a', 'old')
    // Up to the rename of the name nothing that fails touches what stands there.
    for (let n = 1, renamed = false; !renamed; n++) {
      disk.arm(n)
      const answer = await upload(server, '/spark/a', `new ${n}`)
      renamed = disk.operations.some(({ name, to }) => name === 'rename' && to?.endsWith('/names/spark/anonymous/a'))
      disk.revive()
      const { bytes } = await download(server, '/spark/a')
      if (!renamed) expect(bytes.toString(), `call ${n}: ${answer.status}`).toBe('old')
    }
  })

  it('removes a name or says that it could not', async () => {
    const disk = new FaultyFileSystem()
    server = await startTestServer({ fs: disk.system })
    for (let n = 1, failed = true; failed; n++) {
      await upload(server, '/spark/d/a', 'bytes')
      disk.arm(n)
      const answer = await hadoop(server, 'DELETE', '/spark/d', 'DELETE', { recursive: 'true' })
      failed = disk.failed
      disk.revive()
      if (answer.status === 200) expect((await hadoop(server, 'GET', '/spark/d', 'GETFILESTATUS')).status).toBe(404)
      else expect(remoteError(answer).thrown, `call ${n}`).toMatch(/IOException/)
    }
  })
})
