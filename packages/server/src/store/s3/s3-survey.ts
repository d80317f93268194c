/** The collector's look at a bucket: listings, and what of them is new to it. */
import { type Digest, digestOf } from '@supercargo/protocol'
import { type Clock, forEachLimited } from '@supercargo/transfer'
import type { BucketObjects } from '@supercargo/transfer/s3'
import { parseRecord, parseUpload } from '../record-file.ts'
import type { UploadRecord } from '../store.ts'
import type { BlobFacts, BlobShard, ListedRecord, StoreSurvey, SurveyedRecord } from '../store-survey.ts'
import { type FetchNote, fetchedAt, findFetchNote } from './fetch-notes.ts'
import type { S3Layout } from './s3-layout.ts'
import { S3Links } from './s3-links.ts'
import { parseProgress } from './upload-progress.ts'

const parallelReads = 16

/**
 * Bytes of a resource that arrives in one request have no link until its end, and nobody can tell how long that takes: what
 * was not linked for this long is a stray, and an intake that takes longer than half of it is refused.
 */
export const strayMs = 24 * 3_600_000

export function s3Survey(
  objects: BucketObjects,
  layout: S3Layout,
  options: { readonly clock: Clock; readonly strayMs?: number },
): StoreSurvey {
  return new BucketSurvey(objects, layout, options.clock, options.strayMs ?? strayMs)
}

/** As a listing of all records gives it: for the one who deletes, who compares once more. Undefined when there is no record. */
export async function resourceMark(objects: BucketObjects, layout: S3Layout, id: string): Promise<string | undefined> {
  const note = await findFetchNote(objects, layout, id)
  for await (const { key, etag } of objects.list(layout.record(id)))
    if (key === layout.record(id)) return markOf(etag, note)
  return undefined
}

class BucketSurvey implements StoreSurvey {
  readonly shared = true
  readonly #objects: BucketObjects
  readonly #layout: S3Layout
  readonly #links: S3Links
  readonly #clock: Clock
  readonly #strayMs: number
  /** When each resource was last fetched, as of the latest listing. */
  #fetched = new Map<string, FetchNote>()
  #known = new Map<string, UploadRecord>()
  /** When the links of the latest shard were written. */
  #written = new Map<string, number>()
  /** Without a record since the listing before. */
  #unrecorded = new Set<string>()
  /** Since when by our clock each was seen without a link, in all looks. */
  #unlinked = new Map<string, number>()

  constructor(objects: BucketObjects, layout: S3Layout, clock: Clock, strayAgeMs: number) {
    this.#clock = clock
    this.#strayMs = strayAgeMs
    this.#objects = objects
    this.#layout = layout
    this.#links = new S3Links(objects, layout)
  }

  async *records(): AsyncGenerator<ListedRecord> {
    const { fetches, records } = this.#layout
    const fetched = new Map<string, FetchNote>()
    for await (const { key, modifiedMs, sizeBytes } of this.#objects.list(fetches)) {
      const id = this.#layout.fetchedId(key)
      if (id !== undefined) fetched.set(id, { modifiedMs, sizeBytes })
    }
    this.#fetched = fetched
    const unrecorded = new Set(fetched.keys())
    for await (const { key, etag } of this.#objects.list(records)) {
      const id = this.#layout.recordId(key)
      if (id === undefined) continue
      unrecorded.delete(id)
      yield { id, mark: markOf(etag, fetched.get(id)) }
    }
    this.#unrecorded = unrecorded
  }

  async read(id: string): Promise<SurveyedRecord | undefined> {
    const found = await this.#objects.readText(this.#layout.record(id))
    if (found === undefined) return undefined
    const fetchedAtMs = await fetchedAt(this.#objects, this.#layout, id, this.#fetched.get(id))
    return { record: parseRecord(id, found.text), fetchedAtMs }
  }

  /** Each is read once: it never changes. */
  async uploads(): Promise<ReadonlyMap<string, UploadRecord>> {
    const ids: string[] = []
    for await (const { key } of this.#objects.list(this.#layout.uploads)) {
      const id = this.#layout.uploadId(key)
      if (id !== undefined && key === this.#layout.uploadRecord(id)) ids.push(id)
    }
    const known = new Map<string, UploadRecord>()
    await forEachLimited(ids, parallelReads, async (id) => {
      const text = this.#known.has(id) ? undefined : (await this.#objects.readText(this.#layout.uploadRecord(id)))?.text
      const record = this.#known.get(id) ?? (text === undefined ? undefined : parseUpload(id, text))
      if (record !== undefined) known.set(id, record)
    })
    this.#known = known
    return known
  }

  async *blobs(): AsyncGenerator<BlobShard> {
    let shard: { namespace: string; digests: Digest[] } | undefined
    let written = new Map<string, number>()
    for await (const { key, modifiedMs } of this.#objects.list(this.#layout.links)) {
      const linked = this.#layout.linked(key)
      if (linked === undefined) continue
      const digest = digestOf(linked.hex)
      if (
        shard !== undefined &&
        (shard.namespace !== linked.namespace || !shard.digests[0]!.startsWith(digest.slice(0, 9)))
      ) {
        this.#written = written
        yield shard
        shard = undefined
        written = new Map()
      }
      shard ??= { namespace: linked.namespace, digests: [] }
      shard.digests.push(digest)
      written.set(digest, modifiedMs)
    }
    this.#written = written
    if (shard !== undefined) yield shard
  }

  async blobFacts(namespace: string, digest: Digest): Promise<BlobFacts | undefined> {
    const found = await this.#links.find(namespace, digest)
    const modifiedMs = this.#written.get(digest)
    if (found === undefined || modifiedMs === undefined) return undefined
    return { sizeBytes: found.link.state === 'gone' ? 0 : found.link.sizeBytes, modifiedMs }
  }

  /** Bytes that were without a link in every look for long, and notes of fetches without a record. */
  async strays(): Promise<readonly string[]> {
    const unlinked = new Set<string>()
    for await (const { key } of this.#objects.list(this.#layout.allBytes))
      if (this.#layout.isBytes(key)) unlinked.add(key)
    for await (const { namespace, digests } of this.blobs()) {
      await forEachLimited(digests, parallelReads, async (digest) => {
        const found = await this.#links.find(namespace, digest)
        if (found !== undefined && found.link.state !== 'gone') unlinked.delete(found.link.at)
      })
    }
    for await (const { key } of this.#objects.list(this.#layout.uploads)) {
      const text = this.#isProgress(key) ? (await this.#objects.readText(key))?.text : undefined
      if (text !== undefined) unlinked.delete(parseProgress(text).at)
    }
    const nowMs = this.#clock.monotonic()
    const strays = [...unlinked].filter((key) => nowMs - (this.#unlinked.get(key) ?? nowMs) >= this.#strayMs)
    this.#unlinked = new Map([...unlinked].map((key) => [key, this.#unlinked.get(key) ?? nowMs]))
    return [...strays, ...[...this.#unrecorded].map((id) => this.#layout.fetched(id))]
  }

  #isProgress(key: string): boolean {
    const id = this.#layout.uploadId(key)
    return id !== undefined && key.endsWith('.json') && key !== this.#layout.uploadRecord(id)
  }
}

function markOf(etag: string, note: FetchNote | undefined): string {
  return `${etag} ${note?.modifiedMs ?? ''}`
}
