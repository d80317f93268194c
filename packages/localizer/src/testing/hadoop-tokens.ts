/** Token files as Hadoop writes them, made for tests: both formats, and an identifier with dates of one's own. */
import type { DelegationToken } from '../hadoop/token-file.ts'

export function tokenFor(
  service: string,
  more: Partial<DelegationToken> & { readonly maxDate?: number } = {},
): DelegationToken {
  const { maxDate = Date.UTC(2100, 0, 1), ...given } = more
  return {
    identifier: identifier('alice', maxDate),
    password: Buffer.from('0123456789abcdef0123456789abcdef01234567', 'hex'),
    kind: 'HDFS_DELEGATION_TOKEN',
    service,
    ...given,
  }
}

/** Version 0: `count, (alias, identifier, password, kind, service)…, count of secrets, (alias, secret)…`. */
export function writableFile(tokens: readonly DelegationToken[]): Buffer {
  const entries = tokens.flatMap(({ identifier, password, kind, service }) =>
    ['alias', identifier, password, kind, service].map(writableBytes),
  )
  const secret = ['a.secret', Buffer.from('whatever')].map(writableBytes)
  return Buffer.concat([Buffer.from('HDTS\0'), writableLong(tokens.length), ...entries, writableLong(1), ...secret])
}

/** Version 1: one message behind its length. */
export function protobufFile(tokens: readonly DelegationToken[]): Buffer {
  const entries = tokens.map(({ identifier, password, kind, service }) =>
    field(
      1,
      Buffer.concat([
        field(1, 'alias'),
        field(2, Buffer.concat([identifier, password, kind, service].map((part, index) => field(index + 1, part)))),
      ]),
    ),
  )
  const message = Buffer.concat([...entries, field(2, Buffer.concat([field(1, 'a.secret'), field(3, 'whatever')]))])
  return Buffer.concat([Buffer.from('HDTS\u0001'), varint(message.length), message])
}

function identifier(owner: string, maxDate: number): Buffer {
  const issued = writableLong(maxDate - 1000)
  return Buffer.concat([
    Buffer.from([0]),
    ...[owner, 'yarn', ''].map(writableBytes),
    issued,
    writableLong(maxDate),
    writableLong(7),
    writableLong(2),
  ])
}

function writableBytes(part: Buffer | string): Buffer {
  const bytes = Buffer.from(part)
  return Buffer.concat([writableLong(bytes.length), bytes])
}

function writableLong(value: number): Buffer {
  if (value >= -112 && value <= 127) return Buffer.from([value & 0xff])
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(BigInt(value))
  const digits = bytes.subarray(bytes.findIndex((byte) => byte !== 0))
  return Buffer.concat([Buffer.from([(-112 - digits.length) & 0xff]), digits])
}

function field(number: number, value: Buffer | string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([(number << 3) | 2]), varint(bytes.length), bytes])
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest])
    bytes.push((rest & 0x7f) | 0x80)
  }
}
