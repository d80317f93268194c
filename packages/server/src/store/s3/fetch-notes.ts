/** Notes of fetches in a bucket: the time at which one was written is that of the last fetch, unless it says another. */
import type { BucketObjects } from '@supercargo/transfer/s3'
import type { S3Layout } from './s3-layout.ts'

/** As a listing has it. */
export interface FetchNote {
  readonly modifiedMs: number
  /** 0 but for a note of a resource that came from another store: it says when that one saw its last fetch. */
  readonly sizeBytes: number
}

export async function findFetchNote(
  objects: BucketObjects,
  layout: S3Layout,
  id: string,
): Promise<FetchNote | undefined> {
  for await (const { key, modifiedMs, sizeBytes } of objects.list(layout.fetched(id)))
    if (key === layout.fetched(id)) return { modifiedMs, sizeBytes }
  return undefined
}

/** When the resource was last fetched; null when never. */
export async function fetchedAt(
  objects: BucketObjects,
  layout: S3Layout,
  id: string,
  note: FetchNote | undefined,
): Promise<number | null> {
  if (note === undefined) return null
  if (note.sizeBytes === 0) return note.modifiedMs
  const said = Number((await objects.readText(layout.fetched(id)))?.text || Number.NaN)
  // One that cannot be read, or that a fetch has replaced meanwhile, keeps the resource for longer.
  return Number.isFinite(said) && said >= 0 ? said : note.modifiedMs
}
