/** A socket that says exactly the given bytes, and what comes back, for tests. */
import { connect, type Socket } from 'node:net'

export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** An open connection whose bytes the test chooses. */
export class RawClient {
  readonly socket: Socket
  readonly #chunks: Buffer[] = []
  #ended = false
  #failure: NodeJS.ErrnoException | undefined

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk) => this.#chunks.push(chunk))
    socket.on('error', (error) => {
      this.#failure = error
    })
    socket.on('close', () => {
      this.#ended = true
    })
  }

  static open(port: number): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      const client = new RawClient(socket)
      socket.once('connect', () => resolve(client))
      socket.once('error', reject)
    })
  }

  send(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.socket.write(bytes, () => resolve())
    })
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks)
  }

  get failure(): NodeJS.ErrnoException | undefined {
    return this.#failure
  }

  get closed(): boolean {
    return this.#ended
  }

  /** The first answer, when all of its body is there. */
  answer(withinMs = 10_000): Promise<RawAnswer> {
    return until(
      () => parseAnswer(this.received),
      withinMs,
      () => `no whole answer; got ${this.received.subarray(0, 300).toString('latin1')}`,
    )
  }

  whenClosed(withinMs = 10_000): Promise<true> {
    return until(
      () => (this.#ended ? true : undefined),
      withinMs,
      () => 'the connection is still open',
    )
  }

  destroy(): void {
    this.socket.destroy()
  }
}

/** One request, whole, on a connection of its own. */
export async function rawRequest(port: number, bytes: string | Uint8Array): Promise<RawAnswer> {
  const client = await RawClient.open(port)
  try {
    await client.send(bytes)
    return await client.answer()
  } finally {
    client.destroy()
  }
}

/** Waits for a state, not for a time. */
export async function until<T>(
  look: () => T | undefined | Promise<T | undefined>,
  withinMs: number,
  fault: () => string,
): Promise<T> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const value = await look()
    if (value !== undefined) return value
    if (performance.now() > deadline) throw new Error(fault())
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

function parseAnswer(bytes: Buffer): RawAnswer | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const [first, ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first ?? '')?.[1])
  if (status === 100) return parseAnswer(bytes.subarray(end + 4))
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  const body = bytes.subarray(end + 4)
  const length = Number(headers['content-length'] ?? 0)
  return body.length < length ? undefined : { status, headers, body: body.subarray(0, length) }
}
