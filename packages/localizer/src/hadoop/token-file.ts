/** Hadoop's token files: delegation tokens in both formats, and a token as WebHDFS takes it in a URL. No I/O. */
import { SupercargoError } from '@supercargo/protocol'

/** A delegation token. All but kind and service is secret. */
export interface DelegationToken {
  readonly identifier: Buffer
  readonly password: Buffer
  /** `HDFS_DELEGATION_TOKEN`, `WEBHDFS delegation` … */
  readonly kind: string
  /** What it is for: `ha-hdfs:nameservice`, `host:port`, or empty. */
  readonly service: string
}

const magic = 'HDTS'

export function isTokenFile(bytes: Buffer): boolean {
  return bytes.subarray(0, magic.length).toString('latin1') === magic
}

/** Every token of a file that Hadoop wrote, in either format. Throws kind `invalid` for one that is cut or damaged. */
export function parseTokenFile(bytes: Buffer, file: string): DelegationToken[] {
  const version = bytes[magic.length]
  if (version !== 0 && version !== 1)
    throw new SupercargoError(
      'invalid',
      'bad-token-file',
      `the token file ${file} has version ${version}; 0 and 1 can be read`,
    )
  const body = bytes.subarray(magic.length + 1)
  try {
    return version === 0 ? writableTokens(body) : protobufTokens(body)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new SupercargoError('invalid', 'bad-token-file', `the token file ${file} is cut or damaged`, { cause })
  }
}

/** What WebHDFS takes as `delegation`: the token in Hadoop's own serialization, in the base 64 of URLs. */
export function urlStringOf(token: DelegationToken): string {
  const parts = [token.identifier, token.password, Buffer.from(token.kind), Buffer.from(token.service)]
  return Buffer.concat(parts.flatMap((part) => [variableLong(part.length), part])).toString('base64url')
}

/** The inverse. Throws kind `invalid`. */
export function parseUrlString(text: string, file: string): DelegationToken {
  try {
    if (!/^[\w-]+={0,2}$/.test(text)) throw new RangeError('not base 64')
    const reader = new Reader(Buffer.from(text, 'base64url'))
    const token = readToken(reader)
    reader.atEnd()
    return token
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new SupercargoError('invalid', 'bad-token-file', `${file} is neither a token file of Hadoop nor one token`, {
      cause,
      hint: 'hdfs fetchdt writes a token file; a token of WebHDFS is the urlString of GETDELEGATIONTOKEN',
    })
  }
}

/** When the token ends for good, milliseconds since 1970; undefined for an identifier of another make. */
export function maxDateOf(token: DelegationToken): number | undefined {
  try {
    const reader = new Reader(token.identifier)
    if (reader.byte() !== 0) return undefined
    for (let name = 0; name < 3; name++) reader.bytes(reader.variableLong())
    reader.variableLong()
    return reader.variableLong()
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** `count, (alias, token)…, count, (alias, secret)…`. */
function writableTokens(body: Buffer): DelegationToken[] {
  const reader = new Reader(body)
  const tokens: DelegationToken[] = []
  for (let left = reader.variableLong(); left > 0; left--) {
    reader.bytes(reader.variableLong())
    tokens.push(readToken(reader))
  }
  for (let left = reader.variableLong(); left > 0; left--) {
    reader.bytes(reader.variableLong())
    reader.bytes(reader.variableLong())
  }
  return tokens
}

function readToken(reader: Reader): DelegationToken {
  const part = (): Buffer => reader.bytes(reader.variableLong())
  return { identifier: part(), password: part(), kind: part().toString(), service: part().toString() }
}

/** One message behind its length: `{1: {1: alias, 2: {1: identifier, 2: password, 3: kind, 4: service}}…, 2: secrets}`. */
function protobufTokens(body: Buffer): DelegationToken[] {
  const outer = new Reader(body)
  const all = fieldsOf(outer.bytes(outer.varint()))
  return (all.get(1) ?? []).map((entry) => {
    const token = fieldsOf(fieldsOf(entry).get(2)?.[0] ?? missing('token'))
    const part = (field: number): Buffer => token.get(field)?.[0] ?? Buffer.alloc(0)
    return { identifier: part(1), password: part(2), kind: part(3).toString(), service: part(4).toString() }
  })
}

/** Of a message whose fields all have a length. */
function fieldsOf(message: Buffer): Map<number, Buffer[]> {
  const reader = new Reader(message)
  const fields = new Map<number, Buffer[]>()
  while (!reader.isAtEnd) {
    const key = reader.varint()
    if ((key & 7) !== 2) throw new RangeError('a field of another type')
    const value = reader.bytes(reader.varint())
    const field = key >>> 3
    fields.set(field, [...(fields.get(field) ?? []), value])
  }
  return fields
}

function missing(what: string): never {
  throw new RangeError(`no ${what}`)
}

/** Every read beyond the end is a RangeError. */
class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  atEnd(): void {
    if (!this.isAtEnd) throw new RangeError('more than one token')
  }

  byte(): number {
    return this.#bytes.readInt8(this.#at++)
  }

  bytes(length: number): Buffer {
    if (length < 0 || this.#at + length > this.#bytes.length) throw new RangeError('beyond the end')
    this.#at += length
    return this.#bytes.subarray(this.#at - length, this.#at)
  }

  /** Hadoop's: one byte from -112 to 127, else a byte that says sign and number of the bytes that follow, big end first. */
  variableLong(): number {
    const first = this.byte()
    if (first >= -112) return first
    const length = first >= -120 ? -112 - first : -120 - first
    let value = 0n
    for (const byte of this.bytes(length)) value = (value << 8n) | BigInt(byte)
    return Number(first >= -120 ? value : -value - 1n)
  }

  /** Protocol buffers': seven bits a byte, small end first; lengths need no more than 32. */
  varint(): number {
    for (let value = 0, shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes.readUInt8(this.#at++)
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new RangeError('a number without end')
  }
}

function variableLong(value: number): Buffer {
  if (value <= 127) return Buffer.from([value])
  const digits = value.toString(16)
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex')
  return Buffer.concat([Buffer.from([256 - 112 - bytes.length]), bytes])
}
