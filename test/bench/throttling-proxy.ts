/** A way to a server that is far away and narrow: every connection through it has a delay and a rate of its own. */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'

export interface Narrowness {
  /** What each byte from the server takes longer. */
  readonly delayMs: number
  /** Of each connection. */
  readonly bytesPerSecond: number
}

export interface ThrottlingProxy {
  readonly url: string
  stop(): Promise<void>
}

/** What is under way in one connection beside what its delay holds: a router's queue. */
const queueBytes = 256 << 10

export async function throttlingProxy(target: string, narrowness: Narrowness): Promise<ThrottlingProxy> {
  const { hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const server: Server = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true)
      sockets.add(socket)
      socket.on('error', () => {
        // Whoever is connected hears of it by the end of the connection.
      })
      socket.once('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.pipe(upstream)
    void narrow(upstream, client, narrowness)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function narrow(from: Socket, to: Socket, { delayMs, bytesPerSecond }: Narrowness): Promise<void> {
  const waiting: { readonly chunk: Buffer; readonly notBefore: number }[] = []
  const waitingBytesMax = queueBytes + (bytesPerSecond * delayMs) / 1000
  let waitingBytes = 0
  let wake = (): void => undefined
  let ended = false
  from.on('data', (chunk: Buffer) => {
    waiting.push({ chunk, notBefore: performance.now() + delayMs })
    waitingBytes += chunk.length
    if (waitingBytes > waitingBytesMax) from.pause()
    wake()
  })
  for (const event of ['end', 'close'] as const)
    from.once(event, () => {
      ended = true
      wake()
    })
  // When the rate lets the next byte through; a timer that comes late is made up for.
  let free = 0
  while (!to.destroyed) {
    const next = waiting.shift()
    if (next === undefined) {
      if (ended) return void to.end()
      await new Promise<void>((resolve) => {
        wake = resolve
      })
      continue
    }
    const at = Math.max(next.notBefore, free)
    free = at + (next.chunk.length / bytesPerSecond) * 1000
    const waitMs = at - performance.now()
    if (waitMs > 0) await setTimeout(waitMs)
    waitingBytes -= next.chunk.length
    if (waitingBytes <= waitingBytesMax) from.resume()
    if (!to.write(next.chunk)) await new Promise<void>((resolve) => to.once('drain', resolve).once('close', resolve))
  }
}
