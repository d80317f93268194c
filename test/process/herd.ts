/** Many plain HTTP clients at once in one process, as light as Node can make them: each fetches one file and takes what comes. */
import { createHash } from 'node:crypto'
import { connect } from 'node:net'

export interface HerdOptions {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly clients: number
  /** Hash what comes: dear, and not to be timed. */
  readonly digest?: boolean
  /** A client that was told to come back this often gives up. */
  readonly attemptsMax?: number
}

export interface HerdClient {
  /** From the first attempt to the last byte. */
  readonly seconds: number
  readonly status: number
  readonly bytes: number
  readonly sha256: string | undefined
  /** How long it was told to stay away, each time that it was. */
  readonly retryAfterSeconds: readonly number[]
}

const bufferBytes = 256 << 10

export function runHerd(options: HerdOptions): Promise<HerdClient[]> {
  // The bytes are looked at and forgotten, so all connections read into the same memory.
  const buffer = Buffer.allocUnsafeSlow(bufferBytes)
  return Promise.all(Array.from({ length: options.clients }, () => runClient(options, buffer)))
}

async function runClient(options: HerdOptions, buffer: Buffer): Promise<HerdClient> {
  const began = performance.now()
  const retryAfterSeconds: number[] = []
  for (;;) {
    const { status, retryAfter, bytes, sha256 } = await fetchOnce(options, buffer)
    const attempts = retryAfterSeconds.length + 1
    if (status !== 503 || retryAfter === undefined || attempts === (options.attemptsMax ?? 100))
      return { seconds: (performance.now() - began) / 1000, status, bytes, sha256, retryAfterSeconds }
    retryAfterSeconds.push(retryAfter)
    await new Promise((resolve) => setTimeout(resolve, retryAfter * 1000))
  }
}

interface Answer {
  readonly status: number
  readonly retryAfter: number | undefined
  readonly bytes: number
  readonly sha256: string | undefined
}

/** Rejects when the connection ends before the announced length. */
function fetchOnce({ url, headers = {}, digest = false }: HerdOptions, buffer: Buffer): Promise<Answer> {
  const { hostname, port, pathname } = new URL(url)
  const hash = digest ? createHash('sha256') : undefined
  return new Promise((resolve, reject) => {
    let head = ''
    let length: number | undefined
    let bytes = 0
    const take = (chunk: Buffer): boolean => {
      let body = chunk
      if (length === undefined) {
        const before = head.length
        head += chunk.toString('latin1')
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return true
        length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Number.NaN)
        body = chunk.subarray(end + 4 - before)
        head = head.slice(0, end)
      }
      bytes += body.length
      hash?.update(body)
      if (bytes === length) socket.destroy()
      return true
    }
    const socket = connect({
      host: hostname,
      port: Number(port),
      onread: { buffer, callback: (read) => take(buffer.subarray(0, read)) },
    })
    socket.once('error', reject)
    socket.once('close', () => {
      if (bytes !== length) return reject(new Error(`${bytes} of ${length} bytes came: ${head.split('\r\n', 1)[0]}`))
      const status = Number(head.slice(9, 12))
      const retryAfter = /^retry-after: (\d+)/im.exec(head)?.[1]
      resolve({
        status,
        retryAfter: retryAfter === undefined ? undefined : Number(retryAfter),
        bytes,
        sha256: hash?.digest('hex'),
      })
    })
    const fields = Object.entries({ host: `${hostname}:${port}`, connection: 'close', ...headers })
    socket.write(`GET ${pathname} HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
  })
}
