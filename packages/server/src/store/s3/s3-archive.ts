/** The archive of a store in a bucket: records by their keys, and uploads that keep an id. */
import type { ArchivedRecord, StoreArchive } from '../store-archive.ts'
import { fetchedAt, findFetchNote } from './fetch-notes.ts'
import type { S3StoreParts } from './s3-store-parts.ts'
import type { S3Uploads } from './s3-uploads.ts'

/** `run` is the store's own: its failures, and its end. */
export function createS3Archive(
  parts: S3StoreParts,
  uploads: S3Uploads,
  run: <Result>(action: string, work: () => Promise<Result>) => Promise<Result>,
): StoreArchive {
  return {
    async *ids() {
      yield* await run('cannot list the records', () => recordIds(parts))
    },
    read: (id) => run(`cannot read the record of ${id}`, () => read(parts, id)),
    restore: (archived) => run(`cannot take in ${archived.record.id}`, () => uploads.restore(archived)),
  }
}

async function recordIds({ objects, layout }: S3StoreParts): Promise<string[]> {
  const ids: string[] = []
  for await (const { key } of objects.list(layout.records)) {
    const id = layout.recordId(key)
    if (id !== undefined) ids.push(id)
  }
  return ids
}

async function read({ objects, layout, records }: S3StoreParts, id: string): Promise<ArchivedRecord | undefined> {
  const [record, note] = await Promise.all([records.read(id), findFetchNote(objects, layout, id)])
  return record === undefined ? undefined : { record, fetchedAtMs: await fetchedAt(objects, layout, id, note) }
}
