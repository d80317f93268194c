/** What a store says of an object's checksum, in the fields of an answer. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Checksum, ChecksumAlgorithm } from '../../checksum.ts'

/** In the order in which they are wanted: what is computed anyway, then what costs least. */
const algorithms: readonly ChecksumAlgorithm[] = ['sha256', 'crc32', 'crc32c', 'sha1', 'crc64nvme']
const valueBytes: Readonly<Record<ChecksumAlgorithm, number>> = {
  sha256: 32,
  crc32: 4,
  crc32c: 4,
  sha1: 20,
  crc64nvme: 8,
}

export interface StatedChecksum extends Checksum {
  /** Undefined: of the whole. Otherwise of the checksums of so many parts. */
  readonly parts: number | undefined
}

/** Of a whole object, never of a part. Undefined where there is none, or none that could be read. */
export function statedChecksum(headers: IncomingHttpHeaders): StatedChecksum | undefined {
  for (const algorithm of algorithms) {
    const field = headers[`x-amz-checksum-${algorithm}`]
    const match = typeof field === 'string' ? /^([A-Za-z0-9+/]+={0,2})(?:-(\d+))?$/.exec(field) : null
    if (match === null || Buffer.from(match[1]!, 'base64').length !== valueBytes[algorithm]) continue
    const parts = match[2] === undefined ? undefined : Number(match[2])
    // Composite, but it does not say of how many parts.
    if (parts === undefined && headers['x-amz-checksum-type'] === 'COMPOSITE') continue
    return { algorithm, value: match[1]!, parts }
  }
  return undefined
}
