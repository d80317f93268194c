/** All resources in memory, in the collector's thread: read from the records once, then kept up to date by the store's events. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import type { OwnerPresence } from '@supercargo/kube'
import { type Digest, namespaceOf, type Owner } from '@supercargo/protocol'
import { isErrno } from '@supercargo/transfer'
import { DiskLayout, recordId } from '../store/disk-layout.ts'
import type { UploadSummary } from '../store/maintenance.ts'
import { parseRecord } from '../store/record-file.ts'
import type { ResourceRecord } from '../store/store.ts'
import type { StoreEvent } from '../store/store-events.ts'
import { BlobIndex, type NamedBlobs } from './blob-index.ts'
import { EvidenceClock } from './evidence-clock.ts'
import { findingOf } from './finding.ts'
import { SharedOwners } from './shared-owners.ts'

export interface IndexedResource {
  readonly id: string
  readonly namespace: string
  owners: readonly Owner[]
  readonly principal: string | undefined
  /** Instead of the first-use timeout, where nobody is known to use it. */
  maxAgeMs: number | undefined
  /** How its owners became known, where that is worth telling. */
  finding: string | undefined
  readonly files: number
  readonly sizeBytes: number
  readonly createdAtMs: number
  readonly committedAtMs: number
  lastFetchedAtMs: number | null
  readonly blobs: NamedBlobs
  /** Time covered by evidence that nothing needs it, in the state that it is in. */
  readonly clock: EvidenceClock
  /** When one of its owners was first seen. Remembered across restarts. */
  seenAtMs: number | null
  /** Since when it is condemned, and why. Remembered across restarts. */
  condemned: Condemnation | null
  /** When the collector first knew it, on the collector's own clock; undefined until a sweep. Remembered across restarts. */
  bornMs: number | undefined
  /** False: it is from before this process, and whether its owner was ever seen is not remembered. */
  remembered: boolean
  /** What its retention policy says, see `applyRetention`. */
  spent: string | undefined
  protectedBy: string | undefined
  /** What the latest sweep found, for each owner. */
  presence: readonly OwnerPresence[] | undefined
  /** What the confirmation of the latest sweep found, when one was needed. */
  confirmation: readonly OwnerPresence[] | undefined
}

export interface Condemnation {
  readonly atMs: number
  readonly reason: string
}

/** Blobs that no record names any more. */
export interface UnnamedBlobs {
  readonly namespace: string
  readonly digests: readonly Digest[]
}

/** What events told of a resource whose record is not read yet: newer than the file may be. */
interface EarlyNews {
  gone?: boolean
  record?: ResourceRecord
  fetchedAtMs?: number
}

/** Records read in one go; events are applied in between. */
const batchRecords = 64
/** File times have the precision of the file system; a smaller difference is no fetch. */
const timePrecisionMs = 2

export class ResourceIndex {
  readonly blobs = new BlobIndex()
  readonly uploads = new Map<string, UploadSummary>()
  /** Ids whose records cannot be read. What they name is not known, so no blob may go meanwhile. */
  readonly damaged = new Set<string>()
  readonly #layout: DiskLayout
  readonly #resources = new Map<string, IndexedResource>()
  readonly #owners = new SharedOwners()
  readonly #early = new Map<string, EarlyNews>()
  #building = false
  #sequence = 0
  #sorted: readonly string[] | undefined

  constructor(directory: string) {
    this.#layout = new DiskLayout(directory)
  }

  /** The number of the last event that is applied. */
  get sequence(): number {
    return this.#sequence
  }

  get size(): number {
    return this.#resources.size
  }

  get(id: string): IndexedResource | undefined {
    return this.#resources.get(id)
  }

  values(): Iterable<IndexedResource> {
    return this.#resources.values()
  }

  /** Ids of resources and open uploads, sorted. */
  ids(): readonly string[] {
    this.#sorted ??= [...new Set([...this.#resources.keys(), ...this.uploads.keys()])].sort()
    return this.#sorted
  }

  /** Reads all records. Events may be applied meanwhile; `sequence` and `uploads` are the store's before the first of them. */
  async build(sequence: number, uploads: readonly UploadSummary[]): Promise<void> {
    this.#sequence = sequence
    this.#building = true
    this.#sorted = undefined
    for (const upload of uploads) this.uploads.set(upload.id, upload)
    const ids = readdirSync(this.#layout.resources)
      .map(recordId)
      .filter((id) => id !== undefined)
    await this.#readAll(ids)
    this.#building = false
    this.#early.clear()
  }

  /** Tries damaged records once more: an operator may have restored them. */
  async readDamaged(): Promise<void> {
    const ids = [...this.damaged]
    this.damaged.clear()
    await this.#readAll(ids)
  }

  /** Applies the next event; answers the blobs that no record names since then. */
  apply(event: StoreEvent): UnnamedBlobs | undefined {
    this.#sequence = event.sequence
    const { id } = event
    const resource = this.#resources.get(id)
    if (this.#building) this.#remember(event)
    switch (event.type) {
      case 'created':
        this.uploads.set(id, event)
        this.#sorted = undefined
        return undefined
      case 'aborted':
        this.uploads.delete(id)
        this.#sorted = undefined
        return undefined
      case 'committed':
        this.uploads.delete(id)
        this.#insert(event.record, null, true)
        return undefined
      case 'updated':
        if (resource !== undefined) this.#renameOwners(resource, event.record)
        return undefined
      case 'touched':
        if (resource !== undefined) touch(resource, event.atMs)
        return undefined
      case 'released':
        this.damaged.delete(id)
        return this.#remove(resource)
    }
  }

  /** Synchronous reads: this thread has nothing else to do, and the thread pool belongs to the transfers. */
  async #readAll(ids: readonly string[]): Promise<void> {
    for (let start = 0; start < ids.length; start += batchRecords) {
      for (const id of ids.slice(start, start + batchRecords)) this.#read(id)
      await setImmediate()
    }
  }

  #read(id: string): void {
    const news = this.#early.get(id)
    if (news?.gone || this.#resources.has(id)) return
    try {
      const path = this.#layout.record(id)
      const modifiedMs = statSync(path).mtimeMs
      const record = parseRecord(id, readFileSync(path, 'utf8'))
      const fetchedAtMs = modifiedMs > record.committedAtMs + timePrecisionMs ? modifiedMs : null
      this.#insert(news?.record ?? record, news?.fetchedAtMs ?? fetchedAtMs, false)
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) this.damaged.add(id)
    }
  }

  #remember(event: StoreEvent): void {
    const news = this.#early.get(event.id) ?? {}
    this.#early.set(event.id, news)
    if (event.type === 'released') news.gone = true
    if (event.type === 'updated') news.record = event.record
    if (event.type === 'touched') news.fetchedAtMs = event.atMs
  }

  #insert(record: ResourceRecord, lastFetchedAtMs: number | null, remembered: boolean): void {
    if (this.#resources.has(record.id)) return
    const { id, principal, files, createdAtMs, committedAtMs } = record
    const owners = this.#owners.take(record.owners)
    const namespace = namespaceOf(owners)
    this.#sorted = undefined
    this.#resources.set(id, {
      id,
      namespace,
      owners,
      principal,
      maxAgeMs: record.maxAgeMs,
      finding: findingOf(record),
      files: files.length,
      sizeBytes: files.reduce((bytes, file) => bytes + file.sizeBytes, 0),
      createdAtMs,
      committedAtMs,
      lastFetchedAtMs,
      blobs: this.blobs.add(namespace, files),
      clock: new EvidenceClock(),
      seenAtMs: null,
      condemned: null,
      bornMs: undefined,
      remembered,
      spent: undefined,
      protectedBy: undefined,
      presence: undefined,
      confirmation: undefined,
    })
  }

  /** What was seen of other owners says nothing about the new ones. */
  #renameOwners(resource: IndexedResource, record: ResourceRecord): void {
    const owners = this.#owners.take(record.owners)
    this.#owners.giveBack(resource.owners)
    resource.maxAgeMs = record.maxAgeMs
    resource.finding = findingOf(record)
    if (owners === resource.owners) return
    resource.owners = owners
    resource.presence = undefined
    resource.confirmation = undefined
    resource.seenAtMs = null
    resource.condemned = null
    resource.clock.restart()
  }

  #remove(resource: IndexedResource | undefined): UnnamedBlobs | undefined {
    if (resource === undefined) return undefined
    this.#resources.delete(resource.id)
    this.#owners.giveBack(resource.owners)
    this.#sorted = undefined
    return { namespace: resource.namespace, digests: this.blobs.remove(resource.namespace, resource.blobs) }
  }
}

function touch(resource: IndexedResource, atMs: number): void {
  resource.lastFetchedAtMs = atMs
  resource.confirmation = undefined
  resource.condemned = null
  resource.clock.restart()
}
