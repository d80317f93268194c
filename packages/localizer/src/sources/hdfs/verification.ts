/** Compares the bytes of a whole file with the checksum that HDFS states of it, where it states one that bytes alone determine. */
import { SupercargoError } from '@supercargo/protocol'
import { fileChecksumShape, FileChecksum as Sum } from '../../hadoop/file-checksum.ts'
import type { FileChecksum, FileStatus } from './file-status.ts'
import type { WebHdfs } from './web-hdfs.ts'

export interface Verification {
  /** Every chunk in its order, from the first byte. */
  update(chunk: Buffer): void
  /** After the last one. Rejects with kind `corrupt` when they are not what HDFS holds. */
  compare(): Promise<void>
}

export interface VerifiedFile {
  readonly client: WebHdfs
  readonly path: string
  readonly status: FileStatus
  /** How the file is called in messages. */
  readonly name: string
  readonly signal: AbortSignal | undefined
  /** Hears why a file cannot be compared. */
  readonly log: (line: string) => void
}

/**
 * Undefined, and said, where there is nothing to compare with: behind some gateways, for encrypted and for striped files. Rejects
 * when the file is being written: what it will be is not known.
 */
export async function beginVerification(file: VerifiedFile): Promise<Verification | undefined> {
  const { client, path, status, name, signal, log } = file
  const cannot = (why: string): undefined => {
    log(`${name} is not compared with a checksum of HDFS: ${why}`)
  }
  if (status.encBit === true) return cannot('it is in an encryption zone')
  if (status.ecBit === true) return cannot('it is striped (erasure coding)')
  const stated = await client.checksum(path, signal).catch((error: unknown) => {
    if (!SupercargoError.is(error) || signal?.aborted || error.code === 'file-being-written') throw error
    return cannot(error.message)
  })
  if (stated === undefined) return undefined
  const shape = status.blockSize === undefined ? undefined : fileChecksumShape(stated.algorithm, status.blockSize)
  if (shape === undefined) return cannot(`it has a ${stated.algorithm}`)
  const sum = new Sum(shape)
  return {
    update: (chunk) => sum.update(chunk),
    compare: async () => {
      const [computed, expected] = [sum.digest().toString('hex'), statedHex(stated)]
      if (expected.endsWith(computed)) return
      // A file that was put together from others has blocks of several sizes, and its checksum depends on them.
      const lengths = shape.crcBytes === undefined ? undefined : await client.blockLengths(path, status.length, signal)
      if (lengths?.slice(0, -1).some((length) => length !== shape.blockBytes))
        return cannot('its blocks have several sizes')
      throw new SupercargoError(
        'corrupt',
        'checksum-mismatch',
        `the bytes of ${name} have the ${stated.algorithm} ${computed}, and HDFS says ${expected}`,
        { hint: 'the bytes were damaged on their way or in HDFS; hdfs fsck says of a block whether it is corrupt' },
      )
    },
  }
}

/** What is behind `length` is the rest of a buffer; the MD5 stands at the end of what is before. */
export function statedHex({ bytes, length }: FileChecksum): string {
  return bytes.slice(0, 2 * length).toLowerCase()
}
