/** An upload that brings the record of another store, and the record that the commit of any upload publishes. */
import { isDeepStrictEqual } from 'node:util'
import type { StoreLimits, UploadRecord } from './store.ts'
import type { ArchivedRecord } from './store-archive.ts'
import { checkedOwners, checkFiles } from './store-parts.ts'

export function uploadOf({ record, fetchedAtMs }: ArchivedRecord, limits: StoreLimits): UploadRecord {
  const { id, secretHash, owners, files, createdAtMs, principal, door, committedAtMs, capabilities, maxAgeMs } = record
  checkedOwners(owners)
  checkFiles(files, limits)
  const restores = { door, committedAtMs, capabilities, ...(maxAgeMs !== undefined && { maxAgeMs }), fetchedAtMs }
  return { version: 1, id, secretHash, owners, files, createdAtMs, principal, restores }
}

/** Of one that comes from nowhere, `nowMs` is the instant of the commit. */
export function recordOf(upload: UploadRecord, nowMs: number): ArchivedRecord {
  const { id, secretHash, owners, files, createdAtMs, principal, restores } = upload
  const { fetchedAtMs, ...facts } = restores ?? {
    door: 'v1' as const,
    committedAtMs: nowMs,
    capabilities: [],
    fetchedAtMs: null,
  }
  return { record: { version: 1, id, secretHash, owners, files, createdAtMs, principal, ...facts }, fetchedAtMs }
}

/** Whether they say the same once they are written. */
export function isSameUpload(one: UploadRecord, other: UploadRecord): boolean {
  return isDeepStrictEqual(plain(one), plain(other))
}

function plain(upload: UploadRecord): unknown {
  return JSON.parse(JSON.stringify(upload))
}
