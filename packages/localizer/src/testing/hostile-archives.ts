/** Archives built byte by byte, so that they can say what no packer would. */
import { crc32, deflateRawSync } from 'node:zlib'

export interface TarEntry {
  readonly name: string
  readonly body?: Buffer | string
  /** `0` file, `1` hard link, `2` symlink, `3` `4` devices, `5` directory, `6` fifo, `S` sparse … */
  readonly type?: string
  readonly mode?: number
  readonly link?: string
  /** The size that the header tells, if it is not the body's. */
  readonly size?: number
}

/** POSIX ustar (IEEE Std 1003.1, pax). Without its end blocks when `open` is set. */
export function tar(entries: readonly TarEntry[], open = false): Buffer {
  const blocks: Buffer[] = []
  for (const entry of entries) {
    const body = Buffer.from(entry.body ?? '')
    blocks.push(tarHeader(entry, body.length), body, Buffer.alloc((512 - (body.length % 512)) % 512))
  }
  if (!open) blocks.push(Buffer.alloc(1024))
  return Buffer.concat(blocks)
}

/** A pax extended header for the entry that follows it. */
export function pax(records: Record<string, string>): TarEntry {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`)
    let length = rest + String(rest).length
    if (String(length).length !== String(rest).length) length = rest + String(length).length
    return `${length} ${key}=${value}\n`
  })
  return { name: 'PaxHeader', type: 'x', body: lines.join('') }
}

function tarHeader(entry: TarEntry, length: number): Buffer {
  const header = Buffer.alloc(512)
  header.write(entry.name, 0, 100, 'utf8')
  header.write(`${(entry.mode ?? 0o644).toString(8).padStart(7, '0')}\0`, 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  header.write(`${(entry.size ?? length).toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write('        ', 148)
  header.write(entry.type ?? '0', 156)
  header.write(entry.link ?? '', 157, 100)
  header.write('ustar\x0000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return header
}

export interface ZipEntry {
  readonly name: string
  readonly body?: Buffer | string
  readonly store?: boolean
  /** Unix mode with its type bits. */
  readonly mode?: number
  readonly localName?: string
  readonly crc?: number
  readonly flags?: number
  readonly method?: number
  /** Tells this local header offset in the central directory. */
  readonly offset?: number
  readonly uncompressedSize?: number
  /** Sizes in a zip64 extra field, as for files above 4 GiB. */
  readonly zip64?: boolean
}

/** A zip as PKWARE's APPNOTE describes it. */
export function zip(entries: readonly ZipEntry[]): Buffer {
  const parts: Buffer[] = []
  const central: Buffer[] = []
  let position = 0
  for (const entry of entries) {
    const body = Buffer.from(entry.body ?? '')
    const data = entry.store === true ? body : deflateRawSync(body)
    const fields = {
      flags: entry.flags ?? 0x800,
      method: entry.method ?? (entry.store === true ? 0 : 8),
      crc: entry.crc ?? crc32(body),
      compressed: data.length,
      uncompressed: entry.uncompressedSize ?? body.length,
    }
    const local = localHeader(Buffer.from(entry.localName ?? entry.name), fields)
    const header = centralHeader(Buffer.from(entry.name), fields, entry.mode ?? 0o100644, entry.offset ?? position)
    central.push(entry.zip64 === true ? inZip64(header, fields) : header)
    parts.push(local, data)
    position += local.length + data.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(position, 16)
  return Buffer.concat([...parts, directory, end])
}

interface ZipFields {
  readonly flags: number
  readonly method: number
  readonly crc: number
  readonly compressed: number
  readonly uncompressed: number
}

function localHeader(name: Buffer, fields: ZipFields): Buffer {
  const header = Buffer.alloc(30)
  header.writeUInt32LE(0x04034b50, 0)
  header.writeUInt16LE(20, 4)
  writeFields(header, 6, fields)
  header.writeUInt16LE(name.length, 26)
  return Buffer.concat([header, name])
}

function centralHeader(name: Buffer, fields: ZipFields, mode: number, offset: number): Buffer {
  const header = Buffer.alloc(46)
  header.writeUInt32LE(0x02014b50, 0)
  header.writeUInt16LE((3 << 8) | 20, 4)
  header.writeUInt16LE(20, 6)
  writeFields(header, 8, fields)
  header.writeUInt16LE(name.length, 28)
  header.writeUInt32LE((mode << 16) >>> 0, 38)
  header.writeUInt32LE(offset, 42)
  return Buffer.concat([header, name])
}

/** APPNOTE 4.5.3: both sizes move to the extra field. */
function inZip64(header: Buffer, fields: ZipFields): Buffer {
  const extra = Buffer.alloc(20)
  extra.writeUInt16LE(1, 0)
  extra.writeUInt16LE(16, 2)
  extra.writeBigUInt64LE(BigInt(fields.uncompressed), 4)
  extra.writeBigUInt64LE(BigInt(fields.compressed), 12)
  header.writeUInt32LE(0xffffffff, 20)
  header.writeUInt32LE(0xffffffff, 24)
  header.writeUInt16LE(extra.length, 30)
  return Buffer.concat([header, extra])
}

function writeFields(header: Buffer, at: number, fields: ZipFields): void {
  header.writeUInt16LE(fields.flags, at)
  header.writeUInt16LE(fields.method, at + 2)
  header.writeUInt32LE(fields.crc, at + 8)
  header.writeUInt32LE(fields.compressed, at + 12)
  header.writeUInt32LE(fields.uncompressed, at + 16)
}
