/** All resources in memory, in the collector's thread: read from the records once, then kept up to date by events and, where others write too, by further looks. */
import { setImmediate } from 'node:timers/promises'
import type { OwnerPresence } from '@supercargo/kube'
import { type Digest, namespaceOf, type Owner, SupercargoError } from '@supercargo/protocol'
import type { UploadSummary } from '../store/maintenance.ts'
import type { ResourceRecord } from '../store/store.ts'
import type { StoreEvent } from '../store/store-events.ts'
import type { StoreSurvey } from '../store/store-survey.ts'
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
  /** As the survey gave it last; undefined where events tell everything, or nothing was looked at since the resource came. */
  mark: string | undefined
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

export class ResourceIndex {
  readonly blobs = new BlobIndex()
  readonly uploads = new Map<string, UploadSummary>()
  /** Ids whose records cannot be read. What they name is not known, so no blob may go meanwhile. */
  readonly damaged = new Set<string>()
  readonly #stored: StoreSurvey
  /** Of uploads of all processes that share the store, by namespace and digest. */
  #pinned = new Set<string>()
  readonly #resources = new Map<string, IndexedResource>()
  readonly #owners = new SharedOwners()
  readonly #early = new Map<string, EarlyNews>()
  #building = false
  #sequence = 0
  #sorted: readonly string[] | undefined

  constructor(stored: StoreSurvey) {
    this.#stored = stored
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
    const marks = new Map<string, string | undefined>()
    for await (const { id, mark } of this.#stored.records()) marks.set(id, mark)
    await this.#readAll([...marks.keys()], marks)
    this.#building = false
    this.#early.clear()
  }

  /**
   * Of a store that others write too: reads what changed since the last look, and answers the blobs that no record names since
   * then. Nothing of it is done when a listing fails.
   */
  async refresh(): Promise<readonly UnnamedBlobs[]> {
    const before = new Set([...this.#resources.keys(), ...this.damaged])
    const changed = new Map<string, string | undefined>()
    for await (const { id, mark } of this.#stored.records()) {
      before.delete(id)
      if (this.#resources.get(id)?.mark !== mark) changed.set(id, mark)
    }
    const uploads = await this.#stored.uploads()
    await this.#readAll([...changed.keys()], changed)
    this.#pinned = new Set()
    this.uploads.clear()
    for (const [id, record] of uploads) {
      if (this.#resources.has(id)) continue
      const { owners, files, createdAtMs, principal } = record
      const sizeBytes = files.reduce((bytes, file) => bytes + file.sizeBytes, 0)
      this.uploads.set(id, { id, owners, files: files.length, sizeBytes, createdAtMs, principal })
      for (const { digest } of files) this.#pinned.add(`${namespaceOf(owners)} ${digest}`)
    }
    this.#sorted = undefined
    const unnamed: UnnamedBlobs[] = []
    // What came while the listing ran was not there before it, and is not looked for in it.
    for (const id of before) {
      this.damaged.delete(id)
      const blobs = this.#remove(this.#resources.get(id))
      if (blobs !== undefined) unnamed.push(blobs)
    }
    return unnamed
  }

  /** Whether a record names the blob, or an upload that is open anywhere. */
  isNeeded(namespace: string, digest: Digest): boolean {
    return this.blobs.sizeOf(namespace, digest) !== undefined || this.#pinned.has(`${namespace} ${digest}`)
  }

  /** Tries damaged records once more: an operator may have restored them. */
  async readDamaged(): Promise<void> {
    const ids = [...this.damaged]
    this.damaged.clear()
    await this.#readAll(ids, new Map())
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
        this.#insert(event.record, null, true, undefined)
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

  async #readAll(ids: readonly string[], marks: ReadonlyMap<string, string | undefined>): Promise<void> {
    for (let start = 0; start < ids.length; start += batchRecords) {
      await Promise.all(ids.slice(start, start + batchRecords).map((id) => this.#read(id, marks.get(id))))
      await setImmediate()
    }
  }

  async #read(id: string, mark: string | undefined): Promise<void> {
    const held = this.#resources.get(id)
    if (this.#early.get(id)?.gone || (held !== undefined && !this.#stored.shared)) return
    const sequence = this.#sequence
    try {
      const found = await this.#stored.read(id)
      const news = this.#early.get(id)
      if (found === undefined || news?.gone) return
      const { record, fetchedAtMs } = found
      this.damaged.delete(id)
      if (held === undefined) return this.#insert(news?.record ?? record, news?.fetchedAtMs ?? fetchedAtMs, false, mark)
      // Events that came while it was read are newer; without a mark the next look reads it again.
      if (this.#resources.get(id) !== held || this.#sequence !== sequence) return
      this.#renameOwners(held, record)
      if ((fetchedAtMs ?? 0) > (held.lastFetchedAtMs ?? 0)) touch(held, fetchedAtMs!)
      held.mark = mark
    } catch (error) {
      if (SupercargoError.is(error) && error.kind !== 'corrupt') throw error
      this.damaged.add(id)
    }
  }

  #remember(event: StoreEvent): void {
    const news = this.#early.get(event.id) ?? {}
    this.#early.set(event.id, news)
    if (event.type === 'released') news.gone = true
    if (event.type === 'updated') news.record = event.record
    if (event.type === 'touched') news.fetchedAtMs = event.atMs
  }

  #insert(record: ResourceRecord, lastFetchedAtMs: number | null, remembered: boolean, mark: string | undefined): void {
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
      mark,
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
