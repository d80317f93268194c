/** Whose pod reads, behind a proxy: the address that a trusted one tells, none where it hides it, and nobody's claim. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { upload } from '../../testing/hadoop-client.ts'
import { startTestServer, type TestServer } from '../../testing/test-server.ts'

const asked: string[] = []
const findReader = async (address: string): Promise<undefined> => void asked.push(address)
let behind: TestServer
let open: TestServer
beforeAll(async () => {
  behind = await startTestServer({ frontDoor: { findReader }, trustedProxies: ['127.0.0.1'] })
  open = await startTestServer({ frontDoor: { findReader } })
})
afterAll(() => Promise.all([behind.stop(), open.stop()]))

let file = 0

/** The addresses that the cluster was asked about for one read. */
async function lookedUp(server: TestServer, headers: Record<string, string>): Promise<string[]> {
  const path = `/spark/spark-upload-0a1b2c3d-0000-4000-8000-0123456789ab/${file++}.jar`
  await upload(server, path, 'bytes')
  asked.length = 0
  const answer = await fetch(`${server.url}/webhdfs/v1${path}?op=OPEN&data=true`, { headers })
  expect(await answer.text()).toBe('bytes')
  // A question is put before the answer ends; one that is not there now does not come.
  return [...asked]
}

describe('the address of the reader', () => {
  it('is what a trusted proxy tells', async () => {
    expect(await lookedUp(behind, { 'x-forwarded-for': '10.1.2.3' })).toEqual(['10.1.2.3'])
    expect(await lookedUp(behind, { forwarded: 'for=10.1.2.4' })).toEqual(['10.1.2.4'])
  })

  it('is nobody’s where the proxy hides it, or its fields contradict each other', async () => {
    expect(await lookedUp(behind, { forwarded: 'for=unknown' })).toEqual([])
    expect(await lookedUp(behind, { 'x-forwarded-for': '10.1.2.3', forwarded: 'for=10.9.9.9' })).toEqual([])
  })

  it('is that of the connection where nobody is trusted', async () => {
    expect(await lookedUp(open, { 'x-forwarded-for': '10.1.2.3', forwarded: 'for=10.1.2.3' })).toEqual(['127.0.0.1'])
  })
})
