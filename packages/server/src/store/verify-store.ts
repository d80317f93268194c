/** Checks a disk store: every record, every byte of every blob, every name; moves damaged blobs aside when asked to. */
import { type Digest, digestHex, namespaceOf, SupercargoError } from '@supercargo/protocol'
import { isErrno } from '@supercargo/transfer'
import { DiskLayout, isId, isScratch, recordId } from './disk-layout.ts'
import { type FileSystem, nodeFileSystem } from './file-system.ts'
import { entryAt, namesIn } from './name-files.ts'
import { parseRecord } from './record-file.ts'
import { type BadBlob, checkBlobs, type NamedBlobs, quarantineBlob, type ScrubProgress } from './scrub-blobs.ts'
import type { ResourceRecord } from './store.ts'
import { fromStorageError, noStoreThere } from './store-error.ts'
import type { StoreFault, StoreLeftover } from './store-fault.ts'
import { readFormat } from './store-format.ts'
import { lockStore } from './store-lock.ts'
import { findUpload } from './upload-directory.ts'

export interface VerifyOptions {
  readonly directory: string
  /** Beside a running server: nothing is locked, and what it is making or deleting meanwhile is no fault. */
  readonly readOnly: boolean
  /** Moves damaged blobs to `quarantine/`, where nobody fetches them and the same bytes, staged again, take their place. */
  readonly repair: boolean
  readonly signal: AbortSignal
  readonly onProgress?: (progress: ScrubProgress) => void
  readonly fs?: FileSystem
}

export interface VerifyReport {
  /** The directory or the place in a bucket. */
  readonly store: string
  readonly resources: number
  readonly openUploads: number
  readonly blobs: number
  readonly bytes: number
  readonly names: number
  readonly faults: readonly StoreFault[]
  /** At most a thousand; `leftoversTotal` counts all. */
  readonly leftovers: readonly StoreLeftover[]
  readonly leftoversTotal: number
}

const leftoversMax = 1000

/**
 * Memory grows with the number of blobs and resources, some hundred bytes each, never with their size. Resolves to what it
 * found; rejects when it could not look: `conflict` while a server has the store, `notFound` where there is none.
 */
export async function verifyStore(options: VerifyOptions): Promise<VerifyReport> {
  const { directory } = options
  const system = options.fs ?? nodeFileSystem
  const layout = new DiskLayout(directory)
  try {
    if ((await readFormat(system, layout)) === undefined) throw noStoreThere(directory)
    const lock = options.readOnly ? undefined : lockForVerification(layout)
    try {
      return await new Verification(system, options).run()
    } finally {
      lock?.release()
    }
  } catch (error) {
    throw fromStorageError(error, `cannot verify the store ${directory}`)
  }
}

class Verification {
  readonly #system: FileSystem
  readonly #layout: DiskLayout
  readonly #options: VerifyOptions
  readonly #resources = new Set<string>()
  readonly #named: NamedBlobs = new Map()
  readonly #faults: StoreFault[] = []
  readonly #leftovers: StoreLeftover[] = []
  #leftoversTotal = 0
  #openUploads = 0
  #names = 0

  constructor(system: FileSystem, options: VerifyOptions) {
    this.#system = system
    this.#layout = new DiskLayout(options.directory)
    this.#options = options
  }

  async run(): Promise<VerifyReport> {
    const { directory, signal, onProgress } = this.#options
    // Uploads first: one that is committed meanwhile is then a record.
    await this.#readUploads()
    await this.#readRecords()
    const [system, layout, named] = [this.#system, this.#layout, this.#named]
    const found = await checkBlobs({ system, layout, named, signal, onProgress })
    for (const at of found.foreign) this.#leave('foreign-file', at)
    await this.#judgeBlobs(found.bad, found.orphans)
    await this.#readNames(this.#layout.names)
    return {
      store: directory,
      resources: this.#resources.size,
      openUploads: this.#openUploads,
      blobs: found.blobs,
      bytes: found.bytes,
      names: this.#names,
      faults: this.#faults,
      leftovers: this.#leftovers,
      leftoversTotal: this.#leftoversTotal,
    }
  }

  async #readUploads(): Promise<void> {
    const { incoming } = this.#layout
    for (const name of await this.#system.list(incoming)) {
      const keys = await this.#uploadKeys(name)
      if (keys !== undefined) {
        this.#openUploads++
        // It may lack some: that is no fault, and what is there is no orphan.
        for (const key of keys) this.#named.set(key, undefined)
      } else if (!isId(name) && !isScratch(name)) this.#leave('foreign-file', `incoming/${name}`)
      // Beside a running server it may be what arrives at this moment.
      else if (!this.#options.readOnly) this.#leave('leftover', `incoming/${name}`)
    }
  }

  /** Of the blobs that an open upload names; undefined where there is none. */
  async #uploadKeys(name: string): Promise<readonly string[] | undefined> {
    const upload = isId(name) ? await findUpload(this.#system, this.#layout, name) : undefined
    if (upload === undefined) return undefined
    const namespace = namespaceOf(upload.record.owners)
    return upload.record.files.map(({ digest }) => keyOf(namespace, digest))
  }

  async #readRecords(): Promise<void> {
    for (const name of await this.#system.list(this.#layout.resources))
      if (recordId(name) === undefined) this.#leave('foreign-file', `resources/${name}`)
    for await (const { id, record, damage } of this.#records()) {
      this.#resources.add(id)
      if (damage !== undefined)
        this.#faults.push({ code: 'damaged-record', at: `resources/${id}.json`, detail: damage, resourceIds: [id] })
      const namespace = record === undefined ? '' : namespaceOf(record.owners)
      for (const { digest, sizeBytes } of record?.files ?? []) {
        const key = keyOf(namespace, digest)
        const before = this.#named.get(key) ?? sizeBytes
        this.#named.set(key, before === sizeBytes ? sizeBytes : -1)
      }
    }
  }

  /** A second look at the records says whom a bad blob concerns; what was released meanwhile concerns nobody. */
  async #judgeBlobs(bad: ReadonlyMap<string, BadBlob>, orphans: Set<string>): Promise<void> {
    const concerned = new Map<string, string[]>([...bad.keys()].map((key) => [key, []]))
    if (bad.size > 0 || orphans.size > 0) {
      for (const name of await this.#system.list(this.#layout.incoming))
        for (const key of (await this.#uploadKeys(name)) ?? []) orphans.delete(key)
      for await (const { id, record } of this.#records()) {
        if (record === undefined) continue
        const namespace = namespaceOf(record.owners)
        const sizes = new Map(record.files.map(({ digest, sizeBytes }) => [keyOf(namespace, digest), sizeBytes]))
        for (const [key, sizeBytes] of sizes) {
          orphans.delete(key)
          if (bad.get(key)?.sizeBytes !== sizeBytes) concerned.get(key)?.push(id)
        }
      }
    }
    for (const [key, { sizeBytes: _, ...fault }] of bad) {
      const resourceIds = concerned.get(key)!
      const concernsNobody = resourceIds.length === 0
      if (concernsNobody && (fault.code === 'missing-blob' || !(await this.#isThere(fault.at)))) continue
      const quarantine =
        this.#options.repair && fault.code === 'corrupt-blob'
          ? await quarantineBlob(this.#system, this.#layout, key)
          : undefined
      this.#faults.push({ ...fault, resourceIds, ...(quarantine !== undefined && { quarantine }) })
    }
    for (const key of orphans) this.#leave('orphan-blob', `blobs/${pathOfKey(key)}`)
  }

  async #readNames(directory: string): Promise<void> {
    for (const name of (await namesIn(this.#system, directory)) ?? []) {
      const path = `${directory}/${name}`
      const at = path.slice(this.#layout.directory.length + 1)
      this.#options.signal.throwIfAborted()
      try {
        const entry = await entryAt(this.#system, path)
        if (entry?.type === 'directory') await this.#readNames(path)
        if (entry?.type !== 'file') continue
        this.#names++
        if (!this.#resources.has(entry.resourceId) && !(await this.#isThere(`resources/${entry.resourceId}.json`)))
          this.#leave('stale-name', at)
      } catch (error) {
        if (!SupercargoError.is(error) || error.kind !== 'corrupt') throw error
        this.#faults.push({ code: 'damaged-name', at, detail: error.message, resourceIds: [] })
      }
    }
  }

  /** Record by record; one that goes while they are read is passed over. */
  async *#records(): AsyncGenerator<{ id: string; record?: ResourceRecord; damage?: string }> {
    const { resources } = this.#layout
    for (const name of await this.#system.list(resources)) {
      this.#options.signal.throwIfAborted()
      const id = recordId(name)
      if (id === undefined) continue
      let text: string
      try {
        text = await this.#system.readText(`${resources}/${name}`)
      } catch (error) {
        if (isErrno(error, 'ENOENT')) continue
        throw error
      }
      try {
        yield { id, record: parseRecord(id, text) }
      } catch {
        // What the parser says quotes the record, which has hashes of secrets.
        yield { id, damage: 'it cannot be read as a record' }
      }
    }
  }

  async #isThere(at: string): Promise<boolean> {
    try {
      await this.#system.stat(`${this.#layout.directory}/${at}`)
      return true
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false
      throw error
    }
  }

  #leave(code: StoreLeftover['code'], at: string): void {
    this.#leftoversTotal++
    if (this.#leftovers.length < leftoversMax) this.#leftovers.push({ code, at })
  }
}

function keyOf(namespace: string, digest: Digest): string {
  return `${namespace}/${digestHex(digest)}`
}

function pathOfKey(key: string): string {
  const [namespace, hex = ''] = key.split('/')
  return `${namespace}/${hex.slice(0, 2)}/${hex}`
}

function lockForVerification(layout: DiskLayout): ReturnType<typeof lockStore> {
  try {
    return lockStore(layout.lock, layout.directory)
  } catch (error) {
    if (!SupercargoError.is(error) || error.code !== 'store-locked') throw error
    throw new SupercargoError(error.kind, error.code, error.message, {
      cause: error,
      hint: 'stop it, or look beside it with --read-only',
    })
  }
}
