/** The archive of a disk store: records by the names of their files, and uploads that keep an id. */
import { isErrno } from '@supercargo/transfer'
import { recordId } from './disk-layout.ts'
import type { ArchivedRecord, StoreArchive } from './store-archive.ts'
import type { StoreParts } from './store-parts.ts'
import type { Uploads } from './uploads.ts'

/** File times have the precision of the file system; a smaller difference is no fetch. */
const timePrecisionMs = 2

/** `run` is the store's own: its failures, and its end. */
export function createDiskArchive(
  parts: StoreParts,
  uploads: Uploads,
  run: <Result>(action: string, work: () => Promise<Result>) => Promise<Result>,
): StoreArchive {
  const { system, layout } = parts
  return {
    async *ids() {
      for (const name of (await run('cannot list the records', () => system.list(layout.resources))).sort()) {
        const id = recordId(name)
        if (id !== undefined) yield id
      }
    },
    read: (id) => run(`cannot read the record of ${id}`, () => read(parts, id)),
    restore: (archived) => run(`cannot take in ${archived.record.id}`, () => uploads.restore(archived)),
  }
}

async function read({ system, layout, records }: StoreParts, id: string): Promise<ArchivedRecord | undefined> {
  const record = await records.read(id)
  if (record === undefined) return undefined
  try {
    const { modifiedMs } = await system.stat(layout.record(id))
    return { record, fetchedAtMs: modifiedMs > record.committedAtMs + timePrecisionMs ? modifiedMs : null }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}
