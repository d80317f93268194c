/** Records of committed resources: published by one rename, replaced whole, found by id and nothing else. */
import { namespaceOf, SupercargoError } from '@supercargo/protocol'
import { type Clock, isErrno } from '@supercargo/transfer'
import { type DiskLayout, isId } from './disk-layout.ts'
import { type FileSystem, syncDirectory, writeFileDurably } from './file-system.ts'
import { parseRecord } from './record-file.ts'
import type { ResourceRecord } from './store.ts'
import { damagedRecord } from './store-error.ts'

/** A resource that is fetched all the time is noted this often. */
export const touchIntervalMs = 60_000
/** Resources whose last note is remembered; a forgotten one is noted once more, which does no harm. */
const touchesMax = 1024

export class ResourceRecords {
  readonly #system: FileSystem
  readonly #layout: DiskLayout
  readonly #clock: Clock
  /** Renamed and not yet durable: invisible. */
  readonly #publishing = new Set<string>()
  readonly #touches = new Map<string, number>()

  constructor(system: FileSystem, layout: DiskLayout, clock: Clock) {
    this.#system = system
    this.#layout = layout
    this.#clock = clock
  }

  async read(id: string): Promise<ResourceRecord | undefined> {
    if (!isId(id) || this.#publishing.has(id)) return undefined
    let text: string
    try {
      text = await this.#system.readText(this.#layout.record(id))
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined
      throw error
    }
    try {
      return parseRecord(id, text)
    } catch (error) {
      throw damagedRecord(id, error)
    }
  }

  /** Makes the record visible and durable; if it rejects, it is neither. The record's file time is the last fetch, at first the commit. */
  async publish(record: ResourceRecord, fetchedAtMs: number | null = null): Promise<void> {
    const scratch = this.#layout.scratch('record', record.id)
    this.#publishing.add(record.id)
    await this.#replace(scratch, record, fetchedAtMs ?? record.committedAtMs).catch(async (error: unknown) => {
      await this.#system.unlink(scratch).catch(() => undefined)
      // While it cannot be taken back, it stays invisible; a repeated commit writes it anew.
      const taken = await this.#system.unlink(this.#layout.record(record.id)).catch((failure: unknown) => failure)
      if (taken === undefined || isErrno(taken, 'ENOENT')) this.#publishing.delete(record.id)
      throw error
    })
    this.#publishing.delete(record.id)
  }

  /** Replaces the record; the note of its last fetch stays. */
  async update(id: string, change: (record: ResourceRecord) => ResourceRecord): Promise<ResourceRecord | undefined> {
    const record = await this.read(id)
    if (record === undefined) return undefined
    const changed = change(record)
    if (changed === record) return record
    assertSamePlace(record, changed)
    const scratch = this.#layout.scratch('update', id)
    const { modifiedMs } = await this.#system.stat(this.#layout.record(id))
    await this.#replace(scratch, changed, modifiedMs).catch(async (error: unknown) => {
      await this.#system.unlink(scratch).catch(() => undefined)
      throw error
    })
    return changed
  }

  /** False when there was none. A damaged record can be released, too. */
  async remove(id: string): Promise<boolean> {
    if (!isId(id) || this.#publishing.has(id)) return false
    try {
      await this.#system.unlink(this.#layout.record(id))
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false
      throw error
    }
    this.#touches.delete(id)
    await syncDirectory(this.#system, this.#layout.resources)
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
    const atMs = this.#clock.now()
    try {
      await this.#system.setModified(this.#layout.record(id), atMs)
    } catch (error) {
      this.#touches.delete(id)
      if (isErrno(error, 'ENOENT')) return undefined
      throw error
    }
    return atMs
  }

  async #replace(scratch: string, record: ResourceRecord, modifiedMs: number): Promise<void> {
    await writeFileDurably(this.#system, scratch, JSON.stringify(record))
    await this.#system.setModified(scratch, modifiedMs)
    await this.#system.rename(scratch, this.#layout.record(record.id))
    await syncDirectory(this.#system, this.#layout.resources)
  }
}

/** A record keeps its id and its namespace, where its blobs are. Kind `invalid`. */
export function assertSamePlace(record: ResourceRecord, changed: ResourceRecord): void {
  const namespace = namespaceOf(record.owners)
  const stays = changed.owners.length > 0 && changed.owners.every((owner) => owner.namespace === namespace)
  if (changed.id === record.id && stays) return
  throw new SupercargoError('invalid', 'other-namespace', `resource ${record.id} cannot move to another namespace`, {
    hint: `name owners in namespace ${namespace}, or stage again`,
  })
}
