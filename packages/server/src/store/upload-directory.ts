/** The directory of one upload in `incoming/`: made, read after a restart, taken away. */
import { type Digest, digestOf } from '@supercargo/protocol'
import { isErrno } from '@supercargo/transfer'
import { type DiskLayout, isUploadFile } from './disk-layout.ts'
import { type FileSystem, syncDirectory, writeFileDurably } from './file-system.ts'
import { parseUpload } from './record-file.ts'
import type { UploadRecord } from './store.ts'

/** What a restart finds of an upload that was not committed. */
export interface FoundUpload {
  readonly record: UploadRecord
  /** Bytes of parts on disk, by digest. */
  readonly parts: ReadonlyMap<Digest, number>
}

/** Makes the directory with the upload's record, durably. */
export async function makeUploadDirectory(system: FileSystem, layout: DiskLayout, upload: UploadRecord): Promise<void> {
  const directory = layout.uploadDirectory(upload.id)
  await system.makeDirectory(directory)
  await writeFileDurably(system, layout.uploadRecord(upload.id), JSON.stringify(upload))
  await syncDirectory(system, directory)
  await syncDirectory(system, layout.incoming)
}

/** Deletes the directory and the files that the store put there. Anything else in it is foreign and stays. Idempotent. */
export async function removeUploadDirectory(system: FileSystem, layout: DiskLayout, id: string): Promise<void> {
  const directory = layout.uploadDirectory(id)
  let names: string[]
  try {
    names = await system.list(directory)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return
    throw error
  }
  for (const name of names) {
    if (!isUploadFile(name)) continue
    await system.unlink(`${directory}/${name}`).catch((error: unknown) => {
      if (!isErrno(error, 'ENOENT')) throw error
    })
  }
  await system.removeDirectory(directory).catch((error: unknown) => {
    if (!isErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST')) throw error
  })
}

/** Reads an upload back. Undefined when there is none to continue: no record, or a damaged one. */
export async function findUpload(system: FileSystem, layout: DiskLayout, id: string): Promise<FoundUpload | undefined> {
  let text: string
  try {
    text = await system.readText(layout.uploadRecord(id))
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EISDIR')) return undefined
    throw error
  }
  let record: UploadRecord
  try {
    record = parseUpload(id, text)
  } catch {
    // A record that a crash cut short was never acknowledged: without it there is nothing to continue.
    return undefined
  }
  const directory = layout.uploadDirectory(id)
  const parts = new Map<Digest, number>()
  for (const name of await system.list(directory)) {
    const hex = /^([0-9a-f]{64})\.part$/.exec(name)?.[1]
    if (hex !== undefined) parts.set(digestOf(hex), (await system.stat(`${directory}/${name}`)).sizeBytes)
  }
  return { record, parts }
}
