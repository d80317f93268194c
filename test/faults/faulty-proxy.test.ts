/** The faulty proxy does what it says: exactly so many bytes, and then exactly this end. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ConnectionFaults, FaultyProxy } from './faulty-proxy.ts'

let echo: Server
let received: number
let proxy: FaultyProxy | undefined
beforeEach(async () => {
  received = 0
  echo = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      received += chunk.length
      socket.write(chunk)
    })
    socket.on('end', () => socket.end())
  })
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  await proxy?.close()
  await new Promise((resolve) => echo.close(resolve))
})

async function through(
  faults: ConnectionFaults,
  bytes: number,
): Promise<{ back: Buffer; end: string; socket: Socket }> {
  proxy = await FaultyProxy.listen(`http://127.0.0.1:${(echo.address() as { port: number }).port}`, () => faults)
  const socket = connect(Number(new URL(proxy.url).port), '127.0.0.1')
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.write(Buffer.alloc(bytes, 'supercargo'))
  if (Object.keys(faults).length === 0 || faults.bytesPerSecond !== undefined) socket.end()
  const end = await new Promise<string>((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'))
    socket.once('end', () => resolve('end'))
    if (faults.up?.kind === 'stall' || faults.down?.kind === 'stall') socket.setTimeout(200, () => resolve('stall'))
  })
  socket.destroy()
  return { back: Buffer.concat(chunks), end, socket }
}

describe('the faulty proxy', () => {
  it('moves everything when nothing is to go wrong', async () => {
    const { back, end } = await through({}, 3_000_000)
    expect(back.equals(Buffer.alloc(3_000_000, 'supercargo'))).toBe(true)
    expect([end, proxy!.bytesUp, proxy!.bytesDown]).toEqual(['end', 3_000_000, 3_000_000])
  })

  it.each(['cut', 'reset', 'stall'] as const)('%s after exactly so many bytes, either way', async (kind) => {
    const expected = { cut: 'end', reset: 'ECONNRESET', stall: 'stall' }[kind]
    const down = await through({ down: { afterBytes: 70_001, kind } }, 200_000)
    expect(down.end).toBe(expected)
    if (kind !== 'reset') expect(down.back.length).toBe(70_001)
    expect(proxy!.bytesDown).toBe(70_001)
    await proxy!.close()
    received = 0
    const up = await through({ up: { afterBytes: 70_001, kind } }, 200_000)
    expect(up.end).toBe(expected)
    expect(proxy!.bytesUp).toBe(70_001)
    if (kind !== 'reset') await expect.poll(() => received).toBe(70_001)
  })

  it('cuts before the first byte, and refuses', async () => {
    expect(await through({ up: { afterBytes: 0, kind: 'cut' } }, 10)).toMatchObject({ end: 'end' })
    await proxy!.close()
    expect((await through({ refuse: true }, 10)).end).toMatch(/end|ECONNRESET|EPIPE/)
    expect(received).toBe(0)
  })

  it('is as slow as it is told', async () => {
    const start = performance.now()
    const { back } = await through({ bytesPerSecond: 1_000_000 }, 200_000)
    expect(back.length).toBe(200_000)
    expect(performance.now() - start).toBeGreaterThan(150)
  })
})
