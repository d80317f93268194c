/** A TCP proxy that breaks connections on purpose: cut, reset or stalled at a byte of either direction, or slow. */
import { connect, createServer, type Server, type Socket } from 'node:net'

export type FaultKind = 'cut' | 'reset' | 'stall'

/** What goes wrong in one direction of one connection. */
export interface Fault {
  /** This many bytes still get through. */
  readonly afterBytes: number
  /** `cut` ends the connection in order, `reset` with a TCP reset, `stall` keeps it open and moves nothing any more. */
  readonly kind: FaultKind
}

export interface ConnectionFaults {
  /** From the client to the server. */
  readonly up?: Fault | undefined
  /** From the server to the client. */
  readonly down?: Fault | undefined
  /** In each direction. */
  readonly bytesPerSecond?: number | undefined
  /** The connection is refused as soon as it stands. */
  readonly refuse?: boolean | undefined
}

/** Called for each connection, the first has the number 1. */
export type FaultPlan = (connection: number) => ConnectionFaults

export class FaultyProxy {
  /** May be replaced at any time; connections that stand keep what they have. */
  plan: FaultPlan
  /** Bytes that got through, of all connections. */
  bytesUp = 0
  bytesDown = 0
  connections = 0
  readonly #server: Server
  #port = 0
  readonly #sockets = new Set<Socket>()

  constructor(target: { readonly host: string; readonly port: number }, plan: FaultPlan) {
    this.plan = plan
    // Half-open, so that an end of one direction does not cut what is still under way in the other.
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#take(client, target))
  }

  static async listen(target: URL | string, plan: FaultPlan = () => ({})): Promise<FaultyProxy> {
    const { hostname, port } = new URL(target)
    const proxy = new FaultyProxy({ host: hostname, port: Number(port) }, plan)
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject)
      proxy.#server.listen(0, '127.0.0.1', resolve)
    })
    proxy.#port = (proxy.#server.address() as { port: number }).port
    return proxy
  }

  /** Where clients connect; also after it was closed. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Breaks every connection that stands. */
  breakAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  async close(): Promise<void> {
    this.breakAll()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #take(client: Socket, target: { host: string; port: number }): void {
    const faults = this.plan(++this.connections)
    this.#follow(client)
    if (faults.refuse === true) {
      client.resetAndDestroy()
      return
    }
    const server = connect({ ...target, allowHalfOpen: true })
    this.#follow(server)
    const end = (kind: FaultKind): void => {
      for (const socket of [client, server]) {
        socket.removeAllListeners('data')
        if (kind === 'reset') socket.resetAndDestroy()
        if (kind !== 'cut') continue
        // What still comes is read and dropped: to close with unread bytes would be a reset, and lose what was passed on.
        socket.end()
        socket.resume()
      }
    }
    this.#pump(client, server, faults.up, faults.bytesPerSecond, end, (bytes) => {
      this.bytesUp += bytes
    })
    this.#pump(server, client, faults.down, faults.bytesPerSecond, end, (bytes) => {
      this.bytesDown += bytes
    })
    client.once('close', () => server.destroy())
    server.once('close', () => client.destroySoon())
  }

  #pump(
    from: Socket,
    to: Socket,
    fault: Fault | undefined,
    bytesPerSecond: number | undefined,
    end: (kind: FaultKind) => void,
    count: (bytes: number) => void,
  ): void {
    let moved = 0
    let stalled = false
    const room = (): number => (fault?.afterBytes ?? Number.POSITIVE_INFINITY) - moved
    const strike = (): void => {
      from.pause()
      to.pause()
      end(fault!.kind)
    }
    if (room() <= 0) {
      stalled = true
      strike()
      return
    }
    from.on('data', (chunk: Buffer) => {
      if (stalled) return
      const part = chunk.subarray(0, room())
      moved += part.length
      count(part.length)
      const resume = (): void => {
        if (!stalled) from.resume()
      }
      if (room() <= 0) {
        stalled = true
        from.pause()
        to.write(part, strike)
        return
      }
      const more = to.write(part)
      if (bytesPerSecond !== undefined) {
        from.pause()
        setTimeout(resume, (part.length / bytesPerSecond) * 1000)
      } else if (!more) {
        from.pause()
        to.once('drain', resume)
      }
    })
    from.once('end', () => {
      if (!stalled) to.end()
    })
  }

  #follow(socket: Socket): void {
    socket.setNoDelay(true)
    this.#sockets.add(socket)
    socket.on('error', () => {
      // Broken on purpose, by us or as the consequence.
    })
    socket.once('close', () => this.#sockets.delete(socket))
  }
}
