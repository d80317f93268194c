/** A checksum as a store states it of a whole file. */

export type ChecksumAlgorithm = 'sha256' | 'sha1' | 'crc32' | 'crc32c' | 'crc64nvme'

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm
  /** Base64. */
  readonly value: string
  /** The checksum is of the checksums of parts of this size; only the last may be shorter. */
  readonly partBytes?: number | undefined
  /** As HDFS does it: the checksum of a part (a block) is the MD5 of the CRCs of so many bytes each. */
  readonly crcBytes?: number | undefined
}
