/**
 * A bundle as our server writes it, read from chunks that are only lent: an entry's bytes go on as they come, without a copy
 * and without waiting. What a tar can hold beyond regular files is refused; `readBundle` takes those, and doubles the CPU time of
 * a localizer that is sent 200 files of 1 MiB.
 */
import { printable, SupercargoError } from '@supercargo/protocol'

/** Takes one entry's bytes at once: each chunk is the reader's again when the call is over. */
export interface LentSink {
  write(chunk: Uint8Array): void
  /** All bytes were given. An entry that is cut has no end. */
  end(): void
}

const blockBytes = 512
/** Of an extended header: room for the longest path and more. */
const extendedBytesMax = 64 << 10

type Part = 'header' | 'extended' | 'entry' | 'padding' | 'end'

export class BundleReader {
  readonly #open: (name: string, sizeBytes: number) => LentSink | undefined
  /** What of a header, or of an extended header, came in an earlier chunk. */
  #gathered = Buffer.allocUnsafe(blockBytes)
  #gatheredBytes = 0
  #part: Part = 'header'
  /** Bytes that the part still lacks. */
  #left = blockBytes
  #padding = 0
  #sink: LentSink | undefined
  /** From an extended header, for the entry behind it. */
  #extended: ReadonlyMap<string, string> | undefined

  /** `open` gives the sink for an entry's bytes, or undefined to pass over them. What it and the sinks throw, `write` throws. */
  constructor(open: (name: string, sizeBytes: number) => LentSink | undefined) {
    this.#open = open
  }

  /** Takes the next bytes. Throws `corrupt` for what is no bundle; then there is no going on. */
  write(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#part === 'end') return
      const bytes = Math.min(this.#left, chunk.length - at)
      const piece = bytes === chunk.length ? chunk : chunk.subarray(at, at + bytes)
      at += bytes
      this.#left -= bytes
      if (this.#part === 'entry') this.#sink?.write(piece)
      else if (this.#part !== 'padding') this.#gather(piece)
      if (this.#left === 0) this.#next(piece)
    }
  }

  /** The stream has ended. Throws `interrupted` when it ended before the bundle did. */
  end(): void {
    if (this.#part !== 'end') throw new SupercargoError('interrupted', 'cut-short', 'the bundle was cut')
  }

  /** A header that is whole in its chunk is read there. */
  #gather(piece: Buffer): void {
    if (this.#left === 0 && this.#gatheredBytes === 0) return
    piece.copy(this.#gathered, this.#gatheredBytes)
    this.#gatheredBytes += piece.length
  }

  /** A part is complete; `piece` holds its last bytes. */
  #next(piece: Buffer): void {
    const whole = this.#gatheredBytes === 0 ? piece : this.#gathered.subarray(0, this.#gatheredBytes)
    this.#gatheredBytes = 0
    if (this.#part === 'header') return this.#header(whole)
    if (this.#part === 'extended') {
      this.#extended = parseRecords(whole)
      return this.#pad()
    }
    if (this.#part === 'padding') return this.#begin('header', blockBytes)
    this.#endEntry()
  }

  #header(block: Buffer): void {
    if (isEmpty(block)) {
      if (this.#extended !== undefined) throw corrupt('an extended header without an entry')
      this.#part = 'end'
      return
    }
    checkSum(block)
    const type = block[156] === 0 ? '0' : String.fromCharCode(block[156]!)
    const sizeBytes = octal(block, 124, 12)
    if (type === 'x') return this.#beginExtended(sizeBytes)
    if (type !== '0') throw corrupt(`an entry of type ${printable(type)}`)
    const name = this.#extended?.get('path') ?? nameOf(block)
    const size = this.#extended?.get('size')
    this.#extended = undefined
    this.#beginEntry(name, size === undefined ? sizeBytes : count(size))
  }

  #beginExtended(sizeBytes: number): void {
    if (this.#extended !== undefined || sizeBytes === 0 || sizeBytes > extendedBytesMax)
      throw corrupt(`an extended header of ${sizeBytes} bytes`)
    if (sizeBytes > this.#gathered.length) this.#gathered = Buffer.allocUnsafe(extendedBytesMax)
    this.#padding = paddingOf(sizeBytes)
    this.#begin('extended', sizeBytes)
  }

  #beginEntry(name: string, sizeBytes: number): void {
    this.#padding = paddingOf(sizeBytes)
    this.#sink = this.#open(name, sizeBytes)
    this.#begin('entry', sizeBytes)
    if (sizeBytes === 0) this.#endEntry()
  }

  #endEntry(): void {
    const sink = this.#sink
    this.#sink = undefined
    this.#pad()
    sink?.end()
  }

  #pad(): void {
    if (this.#padding === 0) this.#begin('header', blockBytes)
    else this.#begin('padding', this.#padding)
  }

  #begin(part: Part, bytes: number): void {
    this.#part = part
    this.#left = bytes
  }
}

function paddingOf(bytes: number): number {
  return (blockBytes - (bytes % blockBytes)) % blockBytes
}

function isEmpty(block: Buffer): boolean {
  return block.every((byte) => byte === 0)
}

/** The sum of the header's bytes, with blanks where the sum itself stands. */
function checkSum(block: Buffer): void {
  let sum = 8 * 0x20
  for (let at = 0; at < blockBytes; at++) if (at < 148 || at >= 156) sum += block[at]!
  if (sum !== octal(block, 148, 8)) throw corrupt('a header with a wrong sum')
}

/** Digits up to a blank or a NUL. */
function octal(block: Buffer, at: number, bytes: number): number {
  const digits = /^ *([0-7]+)[ \0]*$/.exec(block.toString('latin1', at, at + bytes))?.[1]
  if (digits === undefined) throw corrupt('a header whose numbers are none')
  return Number.parseInt(digits, 8)
}

function count(digits: string): number {
  const value = /^\d{1,15}$/.test(digits) ? Number(digits) : Number.NaN
  if (Number.isNaN(value)) throw corrupt('a size that is no number')
  return value
}

function nameOf(block: Buffer): string {
  const name = text(block, 0, 100)
  const prefix = block.toString('latin1', 257, 263) === 'ustar\0' ? text(block, 345, 155) : ''
  return prefix === '' ? name : `${prefix}/${name}`
}

function text(block: Buffer, at: number, bytes: number): string {
  const end = block.indexOf(0, at)
  return block.toString('utf8', at, end < 0 || end > at + bytes ? at + bytes : end)
}

/** `<length> <key>=<value>\n`, where the length counts the whole record in bytes. */
function parseRecords(bytes: Buffer): Map<string, string> {
  const records = new Map<string, string>()
  for (let at = 0; at < bytes.length; ) {
    const blank = bytes.indexOf(0x20, at)
    const length = blank < 0 ? Number.NaN : count(bytes.toString('latin1', at, blank))
    const end = at + length
    const equals = bytes.indexOf(0x3d, blank)
    if (!(end <= bytes.length) || bytes[end - 1] !== 0x0a || equals < 0 || equals >= end || blank >= end)
      throw corrupt('an extended header that is none')
    records.set(bytes.toString('utf8', blank + 1, equals), bytes.toString('utf8', equals + 1, end - 1))
    at = end
  }
  return records
}

function corrupt(reason: string): SupercargoError {
  return new SupercargoError('corrupt', 'bad-bundle', `the bundle is not as the server writes one: ${reason}`)
}
