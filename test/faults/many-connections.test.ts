/** More connections, transfers and open files than is usual: memory stays within its bound, and service goes on. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { routes } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { hadoop, upload } from '../../packages/server/src/testing/hadoop-client.ts'
import { type ServerProcess, startStagingServer } from '../process/staging-server.ts'

const mebibyte = 2 ** 20

let work: string
let server: ServerProcess
let sockets: Socket[]
beforeEach(async () => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-many-'))
  sockets = []
  server = await startStagingServer({ arguments: ['--store', join(work, 'store')] })
})
afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  await server.kill()
  rmSync(work, { recursive: true, force: true })
})

function open(): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
    sockets.push(socket)
    socket.on('error', () => {
      // The server may shed it.
    })
    socket.once('connect', () => resolve(socket))
    socket.once('close', () => resolve(socket))
  })
}

/** Resident memory of the server, in bytes: now, or at its peak. */
function memory(field: 'VmRSS' | 'VmHWM'): number {
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(
    readFileSync(`/proc/${server.pid}/status`, 'utf8'),
  )?.[1]
  return Number(kibibytes) * 1024
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${server.url}${routes.metrics}`)).text()
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1])
}

async function stage(bytes: Uint8Array): Promise<{ status: number; path: string; authorization: string }> {
  const form = new FormData()
  form.append('owner', '{"namespace":"spark","name":"driver"}')
  form.append('file', new Blob([new Uint8Array(bytes)]), 'a.jar')
  const answer = await fetch(`${server.url}${routes.v1.resources}`, { method: 'POST', body: form })
  const { resourceId, resourceSecret } = (await answer.json()) as { resourceId: string; resourceSecret: string }
  return {
    status: answer.status,
    path: routes.v1.file(resourceId ?? '', 'a.jar'),
    authorization: `Bearer ${resourceSecret}`,
  }
}

/** Compares while the bytes come: nothing is collected here. */
function read(url: string, agent: Agent, content: Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent }, (answer) => {
      let at = 0
      let same = answer.statusCode === 200
      answer.on('data', (chunk: Buffer) => {
        same &&= content.subarray(at, at + chunk.length).equals(chunk)
        at += chunk.length
      })
      answer.once('error', reject)
      answer.once('end', () => resolve(same && at === content.length ? 'the same bytes' : `others, ${at} of them`))
    })
    request.once('error', reject)
  })
}

describe('idle connections (case 98)', () => {
  it('cost little memory each, and do not keep others out', async () => {
    const before = memory('VmRSS')
    for (let round = 0; round < 10; round++) await Promise.all(Array.from({ length: 100 }, open))
    expect((await fetch(`${server.url}${routes.live}`)).status).toBe(200)
    expect(memory('VmRSS') - before).toBeLessThan(60 * mebibyte)
  })
})

describe('64 uploads and 16 downloads that all stand still (case 81)', () => {
  it('stay within 256 MiB, and end exactly when they go on', async () => {
    const content = randomBytes(12 * mebibyte)
    const staged = await stage(content)
    const readers = await Promise.all(Array.from({ length: 16 }, open))
    const received = readers.map(() => 0)
    for (const [index, reader] of readers.entries()) {
      reader.on('data', (chunk: Buffer) => {
        received[index]! += chunk.length
      })
      reader.pause()
      reader.write(`GET ${staged.path} HTTP/1.1\r\nHost: t\r\nAuthorization: ${staged.authorization}\r\n\r\n`)
    }
    const part = randomBytes(mebibyte)
    const head =
      '--b\r\nContent-Disposition: form-data; name="owner"\r\n\r\n{"namespace":"spark","name":"driver"}\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a.jar"\r\n\r\n'
    const tail = '\r\n--b--\r\n'
    const length = head.length + part.length + tail.length
    const writers = await Promise.all(Array.from({ length: 64 }, open))
    const answers = writers.map(() => '')
    for (const [index, writer] of writers.entries()) {
      writer.on('data', (chunk: Buffer) => {
        answers[index] += chunk.toString('latin1')
      })
      writer.write(
        `POST ${routes.v1.resources} HTTP/1.1\r\nHost: t\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${length}\r\n\r\n${head}`,
      )
      writer.write(part)
    }
    await expect.poll(() => metric('supercargo_active_uploads'), { timeout: 20_000 }).toBe(64)
    await expect.poll(() => metric('supercargo_active_downloads'), { timeout: 20_000 }).toBe(16)
    for (const writer of writers) writer.write(tail)
    for (const reader of readers) reader.resume()
    await expect
      .poll(() => answers.filter((answer) => answer.startsWith('HTTP/1.1 201 ')).length, { timeout: 30_000 })
      .toBe(64)
    await expect.poll(() => received.filter((bytes) => bytes > content.length).length, { timeout: 30_000 }).toBe(16)
    expect(memory('VmHWM')).toBeLessThan(256 * mebibyte)
  })
})

describe('200 executors that read one jar at once through the door of stock Spark', () => {
  it('each get all of its bytes, from one file on the disk, and cost less memory than twelve of them', async () => {
    const content = randomBytes(8 * mebibyte)
    for (const name of ['a.jar', 'nightly/a.jar'])
      expect((await upload(server, `/spark/${name}`, content)).status).toBe(201)
    const blobs = readdirSync(join(work, 'store', 'blobs', 'spark'), { recursive: true, withFileTypes: true })
    expect(blobs.filter((entry) => entry.isFile()).length).toBe(1)
    const before = memory('VmRSS')
    const asked = await hadoop(server, 'GET', '/spark/a.jar', 'OPEN', { buffersize: '65536' })
    const agent = new Agent()
    const readers = Array.from({ length: 200 }, () => read(`${asked.headers.get('location')}&offset=0`, agent, content))
    expect(await Promise.all(readers)).toEqual(readers.map(() => 'the same bytes'))
    expect(memory('VmHWM') - before).toBeLessThan(96 * mebibyte)
  }, 120_000)
})

describe('a process with few descriptors (case 63)', () => {
  it('keeps its listener: who finds no room now finds it when others have left', async () => {
    const staged = await stage(Buffer.from('kept'))
    const used = readdirSync(`/proc/${server.pid}/fd`).length
    expect(spawnSync('prlimit', ['--pid', String(server.pid), `--nofile=${used + 10}:${used + 10}`]).status).toBe(0)
    await Promise.all(Array.from({ length: 60 }, open))
    for (const socket of sockets) socket.write('GET /livez HTTP/1.1\r\nHost: t\r\n')
    // The limit is on numbers, and a few of those were above it already: far fewer than 60 have found room.
    expect(readdirSync(`/proc/${server.pid}/fd`).length).toBeLessThan(used + 30)
    for (const socket of sockets) socket.destroy()
    await expect
      .poll(
        () =>
          fetch(`${server.url}${staged.path}`, { headers: { authorization: staged.authorization } }).then(
            (answer) => answer.text(),
            () => 'no answer',
          ),
        { timeout: 10_000 },
      )
      .toBe('kept')
    expect((await stage(Buffer.from('and more'))).status).toBe(201)
  })
})
