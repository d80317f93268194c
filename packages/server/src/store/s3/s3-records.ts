/** Records in a bucket: one object each, whose writing is the commit; changes compare, so that two replicas never lose one. */
import { SupercargoError } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import type { BucketObjects } from '@supercargo/transfer/s3'
import { isId } from '../disk-layout.ts'
import { parseRecord } from '../record-file.ts'
import { assertSamePlace, touchIntervalMs } from '../resource-records.ts'
import type { ResourceRecord } from '../store.ts'
import { damagedRecord } from '../store-error.ts'
import type { S3Layout } from './s3-layout.ts'

const attemptsMax = 20
/** Resources whose last note is remembered; a forgotten one is noted once more, which does no harm. */
const touchesMax = 1024

export class S3Records {
  readonly #objects: BucketObjects
  readonly #layout: S3Layout
  readonly #clock: Clock
  readonly #touches = new Map<string, number>()

  constructor(objects: BucketObjects, layout: S3Layout, clock: Clock) {
    this.#objects = objects
    this.#layout = layout
    this.#clock = clock
  }

  async read(id: string): Promise<ResourceRecord | undefined> {
    return (await this.#find(id))?.record
  }

  async has(id: string): Promise<boolean> {
    return isId(id) && (await this.#objects.size(this.#layout.record(id))) !== undefined
  }

  /** Makes the record visible and durable. When it is there already, by another replica's commit, that one is the answer. */
  async publish(record: ResourceRecord, fetchedAtMs: number | null = null): Promise<ResourceRecord> {
    // First: nobody is to see a record that seems never fetched. A note without a record is nothing.
    if (fetchedAtMs !== null) await this.#objects.write(this.#layout.fetched(record.id), String(fetchedAtMs))
    const written = await this.#objects.write(this.#layout.record(record.id), JSON.stringify(record), { absent: true })
    if (written !== undefined) return record
    return (await this.read(record.id)) ?? record
  }

  async update(id: string, change: (record: ResourceRecord) => ResourceRecord): Promise<ResourceRecord | undefined> {
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const found = await this.#find(id)
      if (found === undefined) return undefined
      const changed = change(found.record)
      if (changed === found.record) return changed
      assertSamePlace(found.record, changed)
      const key = this.#layout.record(id)
      if ((await this.#objects.write(key, JSON.stringify(changed), { etag: found.etag })) !== undefined) return changed
    }
    const says = `too many change the resource ${id} at the same time`
    throw new SupercargoError('unavailable', 'store-contended', says, { hint: 'try again in a moment' })
  }

  /** False when there was none. A damaged record can be removed, too. */
  async remove(id: string): Promise<boolean> {
    if (!(await this.has(id))) return false
    await this.#objects.remove(this.#layout.record(id))
    this.#touches.delete(id)
    // What stays when this fails, a sweep removes.
    await this.#objects.remove(this.#layout.fetched(id)).catch(() => undefined)
    return true
  }

  /** The instant that was noted, undefined when a note is recent enough or the resource is gone. */
  async touch(id: string): Promise<number | undefined> {
    const elapsedMs = this.#clock.monotonic()
    const before = this.#touches.get(id)
    if ((before !== undefined && elapsedMs - before < touchIntervalMs) || !isId(id)) return undefined
    this.#touches.delete(id)
    this.#touches.set(id, elapsedMs)
    if (this.#touches.size > touchesMax) this.#touches.delete(this.#touches.keys().next().value!)
    try {
      if (!(await this.has(id))) return undefined
      await this.#objects.write(this.#layout.fetched(id), '')
    } catch (error) {
      this.#touches.delete(id)
      throw error
    }
    return this.#clock.now()
  }

  async #find(id: string): Promise<{ readonly record: ResourceRecord; readonly etag: string } | undefined> {
    if (!isId(id)) return undefined
    const found = await this.#objects.readText(this.#layout.record(id))
    if (found === undefined) return undefined
    try {
      return { record: parseRecord(id, found.text), etag: found.etag }
    } catch (error) {
      throw damagedRecord(id, error)
    }
  }
}
