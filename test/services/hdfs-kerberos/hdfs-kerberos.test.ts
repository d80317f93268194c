/** An HDFS with Kerberos as a test service: a name alone opens nothing, a ticket does, and so does the token that it buys. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { command } from '../command.ts'
import { open, request } from '../hdfs/web-hdfs.ts'
import { describeWith, type OwnInstance, ownInstance, provisionTimeoutMs, stopped } from '../running.ts'

describeWith(['hdfs-kerberos'], 'hdfs with kerberos', () => {
  let instance: OwnInstance<'hdfs-kerberos'> | undefined

  beforeAll(async () => {
    instance = await ownInstance('hdfs-kerberos')
  }, provisionTimeoutMs)

  afterAll(async () => {
    expect(await stopped(instance)).toEqual([])
  })

  it('refuses who has no ticket, whatever name he gives', async () => {
    const { webUrl, user } = instance!.details
    for (const name of [undefined, user]) {
      const answer = await request(webUrl, '/.ready', 'OPEN', name)
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([401, 'Negotiate'])
    }
  })

  it('gives a delegation token to the token file of a ticket, and the file over WebHDFS to that token alone', async () => {
    const { webUrl, user, hdfsCommand } = instance!.details
    const file = join(instance!.directory, 'token')
    await command([hdfsCommand, 'fetchdt', '--renewer', user, file])
    const delegation = urlString(await readFile(file))
    const answer = await open(webUrl, '/.ready', undefined, { delegation })
    expect([answer.status, await answer.text()]).toEqual([200, 'ready'])
    const damaged = `${delegation.slice(0, 8)}${delegation[8] === 'A' ? 'B' : 'A'}${delegation.slice(9)}`
    expect((await request(webUrl, '/.ready', 'OPEN', undefined, { delegation: damaged })).status).toBe(403)
  })
})

/**
 * The one token of a token file as WebHDFS wants it: the file's own encoding of a token, in the base 64 of URLs. Version 1 of the file,
 * which Hadoop writes, holds it in protocol buffers.
 */
function urlString(file: Buffer): string {
  expect(file.subarray(0, 4).toString()).toBe('HDTS')
  return file[4] === 0 ? writableToken(file.subarray(5)) : protobufToken(file.subarray(5))
}

/** `count, alias, identifier, password, kind, service`, each behind its length; all but the first two are the token. */
function writableToken(body: Buffer): string {
  expect(body[0]).toBe(1)
  const alias = readVariable(body, 1)
  let end = alias.end
  for (let part = 0; part < 4; part++) end = readVariable(body, end).end
  return body.subarray(alias.end, end).toString('base64url')
}

/** Hadoop's variable length: one byte up to 127, else a byte that says how many follow. */
function readVariable(body: Buffer, at: number): { end: number } {
  const first = body.readInt8(at)
  if (first >= 0) return { end: at + 1 + first }
  const size = -(first + 112)
  return { end: at + 1 + size + body.readUIntBE(at + 1, size) }
}

/** Message of tokens: field 1 holds `{1: alias, 2: {1: identifier, 2: password, 3: kind, 4: service}}`. */
function protobufToken(body: Buffer): string {
  // Behind its length.
  const all = fields(fields(Buffer.concat([Buffer.from([0x0a]), body]))[1]!)
  const token = fields(fields(all[1]!)[2]!)
  const parts = [token[1]!, token[2]!, token[3]!, token[4] ?? Buffer.alloc(0)]
  return Buffer.concat(parts.map((part) => Buffer.concat([variable(part.length), part]))).toString('base64url')
}

function fields(message: Buffer): Record<number, Buffer> {
  const found: Record<number, Buffer> = {}
  for (let at = 0; at < message.length; ) {
    const key = varint(message, at)
    const length = varint(message, key.end)
    expect(key.value & 7).toBe(2)
    found[key.value >> 3] = message.subarray(length.end, length.end + length.value)
    at = length.end + length.value
  }
  return found
}

function varint(message: Buffer, at: number): { value: number; end: number } {
  let value = 0
  for (let shift = 0, end = at; ; shift += 7, end++) {
    value |= (message[end]! & 0x7f) << shift
    if (message[end]! < 0x80) return { value, end: end + 1 }
  }
}

function variable(length: number): Buffer {
  return length < 128 ? Buffer.from([length]) : Buffer.from([0x8f, length])
}
