/** Which blobs the records of each namespace name, and how often: what nobody names any more can go. */
import { type Digest, digestHex, digestOf, type StagedFile } from '@supercargo/protocol'

interface IndexedBlob {
  /** The 32 bytes of the digest as a one-byte string: half the memory of its hex form, for hundreds of thousands. */
  readonly key: string
  readonly sizeBytes: number
  records: number
}

/** The blobs of one record, each once. Opaque outside this file. */
export type NamedBlobs = readonly IndexedBlob[]

export class BlobIndex {
  readonly #namespaces = new Map<string, Map<string, IndexedBlob>>()
  #count = 0

  get count(): number {
    return this.#count
  }

  /** Counts the blobs of a new record. */
  add(namespace: string, files: readonly StagedFile[]): NamedBlobs {
    let blobs = this.#namespaces.get(namespace)
    if (blobs === undefined) {
      blobs = new Map()
      this.#namespaces.set(namespace, blobs)
    }
    const named = new Set<IndexedBlob>()
    for (const { digest, sizeBytes } of files) {
      const key = keyOf(digest)
      let blob = blobs.get(key)
      if (blob === undefined) {
        blob = { key, sizeBytes, records: 0 }
        blobs.set(key, blob)
        this.#count++
      }
      named.add(blob)
    }
    for (const blob of named) blob.records++
    return [...named]
  }

  /** Forgets the blobs of a record that is gone; answers those that no record names any more. */
  remove(namespace: string, named: NamedBlobs): Digest[] {
    const blobs = this.#namespaces.get(namespace)
    const unnamed: Digest[] = []
    for (const blob of named) {
      if (--blob.records > 0) continue
      blobs?.delete(blob.key)
      this.#count--
      unnamed.push(digestOf(Buffer.from(blob.key, 'latin1').toString('hex')))
    }
    if (blobs?.size === 0) this.#namespaces.delete(namespace)
    return unnamed
  }

  /** The size of a blob that a record names, undefined for any other. */
  sizeOf(namespace: string, digest: Digest): number | undefined {
    return this.#namespaces.get(namespace)?.get(keyOf(digest))?.sizeBytes
  }

  /** Bytes of the named blobs, by namespace. */
  bytes(): Record<string, number> {
    const bytes: Record<string, number> = {}
    for (const [namespace, blobs] of this.#namespaces) {
      let sum = 0
      for (const { sizeBytes } of blobs.values()) sum += sizeBytes
      bytes[namespace] = sum
    }
    return bytes
  }
}

function keyOf(digest: Digest): string {
  return Buffer.from(digestHex(digest), 'hex').toString('latin1')
}
