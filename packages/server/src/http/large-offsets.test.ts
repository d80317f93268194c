/** Positions beyond 32 bits are exact, in a sparse file that takes no space. */
import { createHash } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Digest } from '@supercargo/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../testing/test-server.ts'
import { call, stageFiles } from '../testing/v1-api.ts'

const sizeBytes = 2 ** 33 + 5
/** Nothing is read whole here, so the name of the blob may be any. */
const hex = createHash('sha256').update('sparse').digest('hex')
const marks = [0, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 32, 2 ** 33 - 1, 2 ** 33]

let server: TestServer
let staged: Awaited<ReturnType<typeof stageFiles>>
beforeAll(async () => {
  server = await startTestServer()
  staged = await stageFiles(server, { small: 'x' })
  const shelf = join(server.directory, 'blobs', 'spark', hex.slice(0, 2))
  await mkdir(shelf, { recursive: true })
  const file = await open(join(shelf, hex), 'w')
  await file.truncate(sizeBytes)
  for (const [index, mark] of marks.entries()) await file.write(Buffer.of(65 + index), 0, 1, mark)
  await file.close()
  await server.store.update(staged.id, (record) => ({ ...record }))
  const record = (await server.store.read(staged.id))!
  const huge = { path: 'huge', sizeBytes, digest: `sha256:${hex}` as Digest }
  server.store.read = async (id) => (id === staged.id ? { ...record, files: [huge] } : undefined)
})
afterAll(() => server.stop())

function get(range: string, method = 'GET'): Promise<Response> {
  return call(server, method, `/${staged.id}/files/huge`, { secret: staged.secret, headers: { range } })
}

describe('a file of more than 8 GiB (case 31)', () => {
  it('is told in its whole size', async () => {
    const answer = await call(server, 'HEAD', `/${staged.id}/files/huge`, { secret: staged.secret })
    expect(answer.headers.get('content-length')).toBe(String(sizeBytes))
  })

  it.each(marks.map((mark, index) => [mark, String.fromCharCode(65 + index)] as const))(
    'has at byte %d what is there',
    async (mark, letter) => {
      const answer = await get(`bytes=${mark}-${mark}`)
      expect(answer.status).toBe(206)
      expect(answer.headers.get('content-range')).toBe(`bytes ${mark}-${mark}/${sizeBytes}`)
      expect(await answer.text()).toBe(letter)
    },
  )

  it('gives its end, and a range that spans the edge of 32 bits', async () => {
    const end = await get('bytes=-5')
    expect(end.headers.get('content-range')).toBe(`bytes ${2 ** 33}-${2 ** 33 + 4}/${sizeBytes}`)
    expect(await end.text()).toBe('H\0\0\0\0')
    expect(await (await get(`bytes=${2 ** 32 - 3}-${2 ** 32 + 1}`)).text()).toBe('\0DEF\0')
    expect((await get(`bytes=${sizeBytes}-`)).status).toBe(416)
  })
})
