/**
 * The header blocks of one regular file in a tar: ustar, with a PAX header where the name or the size needs it (POSIX.1-2008,
 * pax). Written here because headers must be known, with their length, before a stream of them exists.
 */

export const tarBlockBytes = 512

/** Two empty blocks end a tar. */
export const tarEndBytes = 2 * tarBlockBytes

/** The largest size in eleven octal digits. */
const ustarSizeMax = 8 * 2 ** 30 - 1
const ustarNameBytesMax = 100

export function tarHeader(path: string, sizeBytes: number): Buffer {
  const records: string[] = []
  const plainName = /^[\x20-\x7e]*$/.test(path) && path.length <= ustarNameBytesMax
  if (!plainName) records.push(paxRecord('path', path))
  if (sizeBytes > ustarSizeMax) records.push(paxRecord('size', String(sizeBytes)))
  const own = header(plainName ? path : 'file', Math.min(sizeBytes, ustarSizeMax), '0')
  if (records.length === 0) return own
  const body = Buffer.from(records.join(''))
  const padding = Buffer.alloc(padded(body.length) - body.length)
  return Buffer.concat([header('PaxHeader', body.length, 'x'), body, padding, own])
}

/** Bytes that a file's content takes in a tar. */
export function padded(bytes: number): number {
  return Math.ceil(bytes / tarBlockBytes) * tarBlockBytes
}

function header(name: string, sizeBytes: number, type: '0' | 'x'): Buffer {
  const block = Buffer.alloc(tarBlockBytes)
  block.write(name, 0, 'latin1')
  block.write('0000644\0', 100, 'latin1')
  block.write('0000000\0', 108, 'latin1')
  block.write('0000000\0', 116, 'latin1')
  block.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124, 'latin1')
  block.write('00000000000\0', 136, 'latin1')
  block.write('        ', 148, 'latin1')
  block.write(type, 156, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  let sum = 0
  for (const byte of block) sum += byte
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

/** `<length> <key>=<value>\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest + String(rest).length
  length = rest + String(length).length
  return `${length} ${key}=${value}\n`
}
