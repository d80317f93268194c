/** Checks a store in a bucket, beside its servers: every record, every link, every byte, every name; deletes nothing. */
import { digestOf, namespaceOf, SupercargoError } from '@supercargo/protocol'
import { forEachLimited } from '@supercargo/transfer'
import type { BucketObjects } from '@supercargo/transfer/s3'
import { isId } from '../disk-layout.ts'
import { parseRecord } from '../record-file.ts'
import type { ScrubProgress } from '../scrub-blobs.ts'
import type { ResourceRecord } from '../store.ts'
import type { StoreFault, StoreLeftover } from '../store-fault.ts'
import type { VerifyReport } from '../verify-store.ts'
import { type BadLink, checkLinks } from './check-links.ts'
import { type ListedUploads, listUploads } from './listed-uploads.ts'
import { guarded } from './s3-border.ts'
import { openFormat } from './s3-format.ts'
import { S3Layout } from './s3-layout.ts'
import { S3Links } from './s3-links.ts'
import { parseTree, treesIn } from './s3-name-objects.ts'

export interface VerifyBucketOptions {
  readonly objects: BucketObjects
  readonly prefix: string
  /** As the report calls it. */
  readonly store: string
  /** Takes damaged blobs out of use, so that the same bytes, staged again, take their place. */
  readonly repair: boolean
  readonly signal: AbortSignal
  readonly onProgress?: (progress: ScrubProgress) => void
}

const leftoversMax = 1000
const parallelReads = 16

/**
 * Memory grows with the number of objects, some hundred bytes each. What servers make or delete meanwhile is no fault. Rejects
 * with kind `notFound` where there is no store.
 */
export async function verifyBucket(options: VerifyBucketOptions): Promise<VerifyReport> {
  const objects = guarded(options.objects)
  const layout = new S3Layout(options.prefix)
  await openFormat(objects, layout, true)
  return new BucketVerification(objects, layout, options).run()
}

class BucketVerification {
  readonly #objects: BucketObjects
  readonly #layout: S3Layout
  readonly #links: S3Links
  readonly #options: VerifyBucketOptions
  readonly #resources = new Set<string>()
  /** By the key of its link, the size of each blob that is named: undefined where it may lack, -1 where records disagree. */
  readonly #named = new Map<string, number | undefined>()
  /** Bytes of which nobody has said yet what they are for. */
  readonly #unlinked = new Set<string>()
  readonly #faults: StoreFault[] = []
  readonly #leftovers: StoreLeftover[] = []
  #leftoversTotal = 0
  #names = 0

  constructor(objects: BucketObjects, layout: S3Layout, options: VerifyBucketOptions) {
    this.#objects = objects
    this.#layout = layout
    this.#links = new S3Links(objects, layout)
    this.#options = options
  }

  async run(): Promise<VerifyReport> {
    const { store, signal, onProgress } = this.#options
    const notes = await this.#keys(this.#layout.fetches)
    // Bytes, then uploads, then records, then links: what becomes the next meanwhile is seen there.
    for (const key of await this.#keys(this.#layout.allBytes))
      if (this.#layout.isBytes(key)) this.#unlinked.add(key)
      else this.#leave('foreign-file', key)
    const uploads = await this.#uploads()
    for (const key of uploads.foreign) this.#leave('foreign-file', key)
    for (const key of uploads.leftovers) this.#leave('leftover', key)
    for (const place of uploads.places) this.#unlinked.delete(place)
    // They may lack some: that is no fault, and what is there is no orphan.
    for (const key of uploads.links) this.#named.set(key, undefined)
    for (const key of await this.#keys(this.#layout.records))
      if (this.#layout.recordId(key) === undefined) this.#leave('foreign-file', key)
    await this.#readRecords()
    const [objects, layout, links, named] = [this.#objects, this.#layout, this.#links, this.#named]
    const found = await checkLinks({ objects, layout, links, named, signal, onProgress })
    for (const key of found.foreign) this.#leave('foreign-file', key)
    for (const key of found.places) this.#unlinked.delete(key)
    await this.#judge(found.bad, found.orphans)
    for (const key of this.#unlinked) this.#leave('leftover', key)
    for (const key of notes) {
      const id = this.#layout.fetchedId(key)
      if (id === undefined) this.#leave('foreign-file', key)
      else if (!(await this.#isResource(id))) this.#leave('leftover', key)
    }
    await this.#readNames()
    const { blobs, bytes } = found
    return {
      ...{ store, resources: this.#resources.size, openUploads: uploads.open, blobs, bytes, names: this.#names },
      ...{ faults: this.#faults, leftovers: this.#leftovers, leftoversTotal: this.#leftoversTotal },
    }
  }

  async #readRecords(): Promise<void> {
    await this.#eachRecord((id, record) => {
      this.#resources.add(id)
      if (record === undefined)
        this.#fault('damaged-record', this.#layout.record(id), 'it cannot be read as a record', [id])
      for (const [key, sizeBytes] of record === undefined ? [] : this.#blobsOf(record)) {
        const before = this.#named.get(key) ?? sizeBytes
        this.#named.set(key, before === sizeBytes ? sizeBytes : -1)
      }
    })
  }

  /** A second look at links and records says whom a bad blob concerns; what went meanwhile concerns nobody. */
  async #judge(bad: ReadonlyMap<string, BadLink>, orphans: Set<string>): Promise<void> {
    const concerned = new Map<string, string[]>([...bad.keys()].map((key) => [key, []]))
    if (bad.size > 0 || orphans.size > 0) {
      for (const key of (await this.#uploads()).links) orphans.delete(key)
      await this.#eachRecord((id, record) => {
        for (const [key, sizeBytes] of record === undefined ? [] : this.#blobsOf(record)) {
          orphans.delete(key)
          if (bad.get(key)?.sizeBytes !== sizeBytes) concerned.get(key)?.push(id)
        }
      })
    }
    for (const [key, fault] of bad) await this.#judgeLink(key, fault, concerned.get(key)!)
    for (const key of orphans) this.#leave('orphan-blob', key)
  }

  async #judgeLink(key: string, { code, detail, at }: BadLink, resourceIds: readonly string[]): Promise<void> {
    const { namespace, hex } = this.#layout.linked(key)!
    const digest = digestOf(hex)
    const now = await this.#links.find(namespace, digest).catch((error: unknown) => {
      if (isDamage(error)) return 'damaged' as const
      throw error
    })
    const nowAt = now === undefined || now === 'damaged' || now.link.state === 'gone' ? undefined : now.link.at
    // It has come or gone meanwhile, or another has taken its place.
    if (now !== 'damaged' && nowAt !== at) return
    if (resourceIds.length === 0 && code === 'missing-blob') return
    const isRepaired =
      this.#options.repair && code === 'corrupt-blob' && now !== undefined && now !== 'damaged'
        ? await this.#links.change(namespace, digest, now, 'gone')
        : false
    const quarantine = isRepaired && at !== undefined ? this.#below(at) : undefined
    this.#fault(code, key, detail, resourceIds, quarantine)
  }

  async #readNames(): Promise<void> {
    for await (const { namespace, tree } of treesIn(this.#objects, this.#layout)) {
      const key = `${this.#layout.names}${namespace}/${tree}.json`
      const text = (await this.#objects.readText(key))?.text
      if (text === undefined) continue
      try {
        for (const [path, entry] of parseTree(text)) {
          if (entry.type === 'directory') continue
          this.#names++
          if (!(await this.#isResource(entry.resourceId))) this.#leave('stale-name', `${key} ${path}`)
        }
      } catch (error) {
        if (!isDamage(error)) throw error
        this.#fault('damaged-name', key, error.message, [])
      }
    }
  }

  /** One that cannot be read comes without a record; one that goes meanwhile is passed over. */
  async #eachRecord(see: (id: string, record: ResourceRecord | undefined) => void): Promise<void> {
    await forEachLimited(await this.#keys(this.#layout.records), parallelReads, async (key) => {
      this.#options.signal.throwIfAborted()
      const id = this.#layout.recordId(key)
      if (id === undefined) return
      const text = (await this.#objects.readText(key))?.text
      if (text === undefined) return
      let record: ResourceRecord | undefined
      try {
        record = parseRecord(id, text)
      } catch {
        // What the parser says quotes the record, which has hashes of secrets.
      }
      see(id, record)
    })
  }

  /** Sizes by the keys of their links. */
  #blobsOf({ owners, files }: ResourceRecord): Map<string, number> {
    const namespace = namespaceOf(owners)
    return new Map(files.map(({ digest, sizeBytes }) => [this.#layout.link(namespace, digest), sizeBytes]))
  }

  async #isResource(id: string): Promise<boolean> {
    if (this.#resources.has(id)) return true
    return isId(id) && (await this.#objects.size(this.#layout.record(id))) !== undefined
  }

  #uploads(): Promise<ListedUploads> {
    return listUploads(this.#objects, this.#layout, (id) => this.#isResource(id))
  }

  async #keys(prefix: string): Promise<string[]> {
    const keys: string[] = []
    for await (const { key } of this.#objects.list(prefix)) {
      this.#options.signal.throwIfAborted()
      keys.push(key)
    }
    return keys
  }

  #fault(
    code: StoreFault['code'],
    key: string,
    detail: string,
    resourceIds: readonly string[],
    quarantine?: string,
  ): void {
    const at = this.#below(key)
    this.#faults.push({ code, at, detail, resourceIds, ...(quarantine !== undefined && { quarantine }) })
  }

  #leave(code: StoreLeftover['code'], key: string): void {
    this.#leftoversTotal++
    if (this.#leftovers.length < leftoversMax) this.#leftovers.push({ code, at: this.#below(key) })
  }

  #below(key: string): string {
    return key.slice(this.#layout.prefix.length)
  }
}

function isDamage(error: unknown): error is SupercargoError {
  return SupercargoError.is(error) && error.kind === 'corrupt'
}
