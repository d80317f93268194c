/** Small things that store tests say again and again: content, owners, limits, staging and fetching whole resources. */
import { createHash } from 'node:crypto'
import { type Digest, digestOf, type Owner, type StagedFile } from '@supercargo/protocol'
import type { BlobWriter, ResourceRecord, Store, StoreLimits } from '../store/store.ts'

export const noLimits: StoreLimits = {
  fileBytesMax: 0,
  resourceBytesMax: 0,
  filesPerResourceMax: 0,
  namespaceBytesMax: 0,
  storeBytesMax: 0,
  freeBytesMin: 0,
  uploadBufferBytesMax: 8 * 2 ** 20,
  abandonedMs: 3_600_000,
}

export function podOwner(namespace = 'spark', name = 'driver'): Owner {
  return { namespace, apiVersion: 'v1', kind: 'Pod', name }
}

/** Bytes that differ by seed, and that no two offsets share by chance. */
export function content(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(sizeBytes)
  let state = (seed * 2654435761) >>> 0 || 1
  for (let index = 0; index < sizeBytes; index++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[index] = state
  }
  return bytes
}

export function digest(bytes: Uint8Array): Digest {
  return digestOf(createHash('sha256').update(bytes).digest('hex'))
}

export function fileOf(path: string, bytes: Uint8Array): StagedFile {
  return { path, sizeBytes: bytes.length, digest: digest(bytes) }
}

/** Feeds a writer as a socket does: chunk by chunk, waiting when told. */
export async function writeAll(writer: BlobWriter, bytes: Uint8Array, chunkBytes = 65_536): Promise<void> {
  for (let position = 0; position < bytes.length; position += chunkBytes) {
    await writer.write(bytes.subarray(position, position + chunkBytes))
  }
}

/** Sends one blob of an upload whole, from where an earlier writer stopped. */
export async function sendBlob(store: Store, id: string, bytes: Uint8Array): Promise<void> {
  const writer = await store.writeBlob(id, digest(bytes))
  try {
    await writeAll(writer, bytes.subarray(writer.offset))
    await writer.commit()
  } catch (error) {
    await writer.abort()
    throw error
  }
}

export type Contents = Readonly<Record<string, Uint8Array>>

export function filesOf(contents: Contents): StagedFile[] {
  return Object.entries(contents).map(([path, bytes]) => fileOf(path, bytes))
}

/** Create, send what is missing, commit. */
export async function stage(store: Store, contents: Contents, owner: Owner = podOwner()): Promise<ResourceRecord> {
  const upload = await store.create({ owners: [owner], files: filesOf(contents) })
  const bodies = new Map(Object.values(contents).map((bytes) => [digest(bytes), bytes]))
  for (const missing of upload.missing) await sendBlob(store, upload.id, bodies.get(missing)!)
  return store.commit(upload.id)
}

/** The bytes of one file, read as a download reads them. */
export async function fetchFile(store: Store, record: ResourceRecord, file: StagedFile): Promise<Buffer> {
  const reader = await store.open(record, file)
  try {
    const bytes = Buffer.alloc(file.sizeBytes)
    const buffer = Buffer.alloc(100_000)
    for (let position = 0; position < file.sizeBytes; ) {
      const read = await reader.read(buffer, position)
      buffer.copy(bytes, position, 0, read)
      position += read
    }
    return bytes
  } finally {
    await reader.close()
  }
}

/** True when every file of the resource is fetched as it was staged. */
export async function isFetchable(store: Store, record: ResourceRecord): Promise<boolean> {
  for (const file of record.files) if (digest(await fetchFile(store, record, file)) !== file.digest) return false
  return true
}
