/**
 * `npm run bench -- soak --minutes 30`: uploads, herds of downloads and clients that break off, against one server for long.
 * Memory, descriptors and promised bytes are written down on the way; at the end they are back where they were.
 */
import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@supercargo/client'
import { type Owner, routes } from '@supercargo/protocol'
import { runHerd } from '../process/herd.ts'
import { type ServerProcess, startStagingServer } from '../process/staging-server.ts'
import { cpuSeconds, resetRssPeak, rssPeakMib } from './process-meter.ts'

export interface SoakSample {
  readonly minute: number
  readonly rounds: number
  readonly movedGib: number
  readonly rssPeakMib: number
  readonly descriptors: number
  readonly storeBytes: number
  readonly reservedBytes: number
  readonly openUploads: number
  readonly cpuSeconds: number
  readonly loadAverage: number
}

const owner: Owner = { namespace: 'soak', apiVersion: 'v1', kind: 'Pod', name: 'driver' }
const fileBytes = 16 << 20
const clients = 40

export async function benchSoak(program: string, scratch: string, minutes: number): Promise<SoakSample[]> {
  const server = await startStagingServer({ program, arguments: ['--store', join(scratch, 'store')] })
  const samples: SoakSample[] = []
  const endMs = performance.now() + minutes * 60_000
  const sampleMs = Math.min(60_000, (minutes * 60_000) / 10)
  let rounds = 0
  let cpuBefore = cpuSeconds(server.pid)
  let bytesMoved = 0
  try {
    await oneRound(server, scratch)
    for (let nextMs = performance.now() + sampleMs; performance.now() < endMs; ) {
      bytesMoved += await oneRound(server, scratch)
      rounds++
      if (performance.now() < nextMs && performance.now() < endMs) continue
      nextMs += sampleMs
      const [storeBytes, reservedBytes, openUploads] = await gauges(server)
      samples.push({
        minute: minutes - (endMs - performance.now()) / 60_000,
        rounds,
        movedGib: bytesMoved / 2 ** 30,
        rssPeakMib: rssPeakMib(server.pid),
        descriptors: readdirSync(`/proc/${server.pid}/fd`).length,
        storeBytes,
        reservedBytes,
        openUploads,
        cpuSeconds: cpuSeconds(server.pid) - cpuBefore,
        loadAverage: loadavg()[0]!,
      })
      resetRssPeak(server.pid)
      cpuBefore = cpuSeconds(server.pid)
      bytesMoved = 0
      rounds = 0
    }
  } finally {
    await server.stop()
  }
  return samples
}

export function printSoak(samples: readonly SoakSample[]): void {
  console.table(
    samples.map((sample) => ({
      minute: sample.minute.toFixed(1),
      rounds: sample.rounds,
      GiB: sample.movedGib.toFixed(1),
      'CPU s/GiB': (sample.cpuSeconds / sample.movedGib).toFixed(2),
      'RSS peak MiB': sample.rssPeakMib.toFixed(0),
      descriptors: sample.descriptors,
      'store MiB': (sample.storeBytes / 2 ** 20).toFixed(0),
      'reserved bytes': sample.reservedBytes,
      'open uploads': sample.openUploads,
      load: sample.loadAverage.toFixed(1),
    })),
  )
}

/** A file is staged, a herd fetches it, some break off, an upload breaks off, and the file is released. Bytes moved. */
async function oneRound(server: ServerProcess, scratch: string): Promise<number> {
  const path = join(scratch, 'soak.jar')
  writeFileSync(path, randomBytes(fileBytes))
  const client = createClient({ server: server.url })
  try {
    const staged = await client.stage({ owner, files: [{ path }] })
    const url = `${server.url}${routes.v1.file(staged.resourceId, staged.files[0]!.path)}`
    const authorization = `Bearer ${staged.resourceSecret.reveal()}`
    const herd = runHerd({ url, headers: { authorization }, clients })
    await Promise.all([breakOff(url, authorization), breakOff(url, authorization), breakUpload(server)])
    const wrong = (await herd).filter(({ bytes }) => bytes !== fileBytes)
    if (wrong.length > 0) throw new Error(`${wrong.length} clients did not get the file`)
    await client.release({ resourceId: staged.resourceId, secret: staged.resourceSecret })
  } finally {
    client.close()
    rmSync(path)
  }
  return (clients + 1) * fileBytes
}

/** A reader that goes away after its first bytes. */
function breakOff(url: string, authorization: string): Promise<void> {
  const { port, pathname } = new URL(url)
  return breaking(Number(port), `GET ${pathname} HTTP/1.1\r\nHost: t\r\nAuthorization: ${authorization}\r\n\r\n`)
}

/** A sender that announces 64 MiB and resets the connection in the middle of its first. */
function breakUpload(server: ServerProcess): Promise<void> {
  const head = `POST ${routes.v1.resources} HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-tar\r\nsupercargo-owner: ${JSON.stringify([owner])}\r\nContent-Length: ${64 << 20}\r\n\r\n`
  return breaking(Number(new URL(server.url).port), `${head}${'x'.repeat(300_000)}`)
}

function breaking(port: number, request: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {
      // It is reset by one side or the other.
    })
    socket.once('data', () => socket.resetAndDestroy())
    socket.once('close', () => resolve())
    socket.write(request)
  })
}

async function gauges(server: ServerProcess): Promise<[number, number, number]> {
  const text = await (await fetch(`${server.url}${routes.metrics}`)).text()
  const of = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
  return [of('supercargo_store_bytes'), of('supercargo_store_reserved_bytes'), of('supercargo_open_uploads')]
}
