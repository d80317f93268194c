/** The checksum that HDFS states of a file, where it states one that the bytes alone determine. */
import { SupercargoError } from '@supercargo/protocol'
import type { Checksum } from '../../checksum.ts'
import { statedByHdfs } from '../../hadoop/file-checksum.ts'
import type { FileStatus } from './file-status.ts'
import type { WebHdfs } from './web-hdfs.ts'

export interface CheckedFile {
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
 * Undefined, and said, where there is nothing to compare with: behind some gateways, for encrypted and for striped files, and for
 * those that were put together from others. Rejects when the file is being written: what it will be is not known.
 */
export async function statedChecksum(file: CheckedFile): Promise<Checksum | undefined> {
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
  const { blockSize = 0, length } = status
  // Nothing is what it is, whatever its checksum is called.
  if (length === 0) return undefined
  const checksum = blockSize === 0 ? undefined : statedByHdfs(stated, blockSize)
  if (checksum === undefined) return cannot(`it has a ${stated.algorithm}`)
  if (checksum.partBytes === undefined || length <= checksum.partBytes) return checksum
  const lengths = await client.blockLengths(path, length, signal)
  if (lengths?.slice(0, -1).some((each) => each !== blockSize)) return cannot('its blocks have several sizes')
  return checksum
}
