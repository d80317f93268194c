/** Copies a store into another: what is there already is passed over, what arrives is verified, what is damaged is named. */
import { isDeepStrictEqual } from 'node:util'
import { type StagedFile, SupercargoError } from '@supercargo/protocol'
import type { StagingTokens } from '../tokens/staging-tokens.ts'
import type { StoreMaintenance } from './maintenance.ts'
import type { NameEntry, NamePlace, NameTree } from './name-tree.ts'
import type { ResourceRecord, Store } from './store.ts'
import type { StoreArchive } from './store-archive.ts'
import type { StoreFault } from './store-fault.ts'

/** A store as a copy needs it, of whichever kind. */
export interface CopyableStore {
  readonly store: Store & {
    readonly archive: StoreArchive
    readonly maintenance: Pick<StoreMaintenance, 'loadState' | 'saveState' | 'bindCluster' | 'uploads'>
  }
  readonly names: NameTree
  readonly tokens: StagingTokens
}

export interface CopyOptions {
  readonly source: CopyableStore
  readonly target: CopyableStore
  readonly signal: AbortSignal
  readonly onProgress?: (progress: { readonly bytes: number; readonly bytesTotal: number }) => void
}

export interface CopyReport {
  /** That came over now. */
  readonly copied: number
  /** That were there already, whole. */
  readonly present: number
  readonly sentBytes: number
  readonly names: number
  readonly tokens: number
  /** Open uploads are no resources yet, and stay behind. */
  readonly openUploads: number
  /** What stays behind because it is damaged; everything else has come over. */
  readonly faults: readonly StoreFault[]
}

/** One read; its bytes are given away, so each takes a buffer of its own. */
const chunkBytes = 1 << 20
/** A tree of a bucket is written whole, so many at a time cost one write. */
const namesAtOnce = 5000

/**
 * Ids, secrets' hashes, owners, capabilities, times, principals, names, tokens and what the collector remembers are kept.
 * Interrupted at any point it may be repeated, and goes on; done twice it changes nothing. The source is not changed.
 * Rejects with kind `conflict` when the target belongs to another cluster or has another resource of the same id.
 */
export async function copyStore(options: CopyOptions): Promise<CopyReport> {
  const { source, target } = options
  await expectSameCluster(source, target)
  const copy = new Copy(options)
  await copy.resources()
  const names = await copyNames(options, copy.there)
  const tokens = await copyTokens(options, copy.faults)
  // Last: a target that remembers has everything that it remembers of.
  await copyMemory(source, target)
  const { copied, present, sentBytes, faults } = copy
  return { copied, present, sentBytes, names, tokens, openUploads: source.store.maintenance.uploads().length, faults }
}

class Copy {
  copied = 0
  present = 0
  sentBytes = 0
  /** Ids of all that the target has of the source. */
  readonly there = new Set<string>()
  readonly faults: StoreFault[] = []
  readonly #options: CopyOptions
  #doneBytes = 0
  #bytesTotal = 0

  constructor(options: CopyOptions) {
    this.#options = options
  }

  async resources(): Promise<void> {
    const { source, signal } = this.#options
    const ids: string[] = []
    for await (const id of source.store.archive.ids()) {
      signal.throwIfAborted()
      ids.push(id)
      this.#bytesTotal += bytesOf((await this.#read(id))?.record)
    }
    for (const id of ids) {
      signal.throwIfAborted()
      await this.#resource(id)
    }
  }

  async #read(id: string): ReturnType<StoreArchive['read']> {
    return this.#options.source.store.archive.read(id).catch((error: unknown) => {
      if (!isDamage(error)) throw error
      const at = `resources/${id}.json`
      if (!this.faults.some((fault) => fault.at === at))
        this.faults.push({ code: 'damaged-record', at, detail: error.message, resourceIds: [id] })
      return undefined
    })
  }

  async #resource(id: string): Promise<void> {
    const { target } = this.#options
    const archived = await this.#read(id)
    if (archived === undefined) return
    const { record } = archived
    const there = await target.store.read(id)
    const before = this.#doneBytes
    if (there === undefined) {
      const lacking = new Set(await target.store.archive.restore(archived))
      for (const file of record.files) {
        // One digest may have several paths: sent once.
        if (lacking.delete(file.digest) && !(await this.#file(record, file))) {
          await target.store.abort(id)
          this.#progress(before + bytesOf(record) - this.#doneBytes)
          return
        }
      }
      await target.store.commit(id)
      this.copied++
    } else {
      if (!isDeepStrictEqual(there.files, record.files) || there.secretHash !== record.secretHash)
        throw new SupercargoError('conflict', 'id-taken', `the target has another resource with the id ${id}`, {
          hint: 'copy into an empty store, or into one that was copied from here',
        })
      // Its owners or capabilities may have changed since an earlier copy.
      if (!isDeepStrictEqual(there, record)) await target.store.update(id, () => record)
      this.present++
    }
    this.there.add(id)
    this.#progress(before + bytesOf(record) - this.#doneBytes)
  }

  /** False when the source cannot give the bytes. */
  async #file(record: ResourceRecord, file: StagedFile): Promise<boolean> {
    const { source, target, signal } = this.#options
    const reader = await this.#fromSource(record, file, () => source.store.open(record, file))
    if (reader === undefined) return false
    try {
      const writer = await target.store.writeBlob(record.id, file.digest)
      try {
        for (let position = writer.offset; position < file.sizeBytes; ) {
          signal.throwIfAborted()
          const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, file.sizeBytes - position))
          const read = await this.#fromSource(record, file, () => reader.read(chunk, position))
          if (read === undefined) {
            await writer.abort()
            return false
          }
          await writer.write(chunk.subarray(0, read))
          position += read
          this.sentBytes += read
          this.#progress(read)
        }
      } catch (error) {
        // What has come stays for the next run. A disk that keeps nothing costs its bytes again.
        await writer.suspend().catch(() => undefined)
        throw error
      }
      return (await this.#fromSource(record, file, () => writer.commit())) !== undefined
    } finally {
      await reader.close()
    }
  }

  /** Damage at the source ends one resource, and is noted; everything else ends the copy. */
  async #fromSource<Result>(
    record: ResourceRecord,
    { path, digest }: StagedFile,
    work: () => Promise<Result>,
  ): Promise<Result | undefined> {
    try {
      return await work()
    } catch (error) {
      if (!isDamage(error)) throw error
      const detail = `${digest}: ${error.message}`
      this.faults.push({ code: 'corrupt-blob', at: `${record.id}/${path}`, detail, resourceIds: [record.id] })
      return undefined
    }
  }

  #progress(bytes: number): void {
    this.#doneBytes += bytes
    this.#options.onProgress?.({ bytes: this.#doneBytes, bytesTotal: this.#bytesTotal })
  }
}

async function expectSameCluster(source: CopyableStore, target: CopyableStore): Promise<void> {
  const [{ clusterUid: from }, { clusterUid: to }] = await Promise.all([
    source.store.maintenance.loadState(),
    target.store.maintenance.loadState(),
  ])
  if (from === null || to === null || from === to) return
  throw new SupercargoError('conflict', 'other-cluster', 'the target belongs to another cluster than the source', {
    hint: 'copy into an empty store',
  })
}

/** Names of what has come over. One that leads nowhere counts as absent, there as here. */
async function copyNames({ source, target, signal }: CopyOptions, there: ReadonlySet<string>): Promise<number> {
  let names = 0
  let top: NamePlace | undefined
  let batch = new Map<string, NameEntry>()
  for await (const { place, entry } of source.names.everything()) {
    signal.throwIfAborted()
    const isOther = top?.namespace !== place.namespace || top.tree !== place.tree
    if (top !== undefined && (isOther || batch.size === namesAtOnce)) {
      await target.names.restore(top, batch)
      batch = new Map()
    }
    top = { ...place, path: '' }
    if (entry.type === 'file') {
      if (!there.has(entry.resourceId)) continue
      names++
    }
    batch.set(place.path, entry)
  }
  if (top !== undefined) await target.names.restore(top, batch)
  return names
}

async function copyTokens({ source, target }: CopyOptions, faults: StoreFault[]): Promise<number> {
  try {
    const tokens = await source.tokens.list(undefined)
    for (const token of tokens) await target.tokens.restore(token)
    return tokens.length
  } catch (error) {
    if (!isDamage(error)) throw error
    faults.push({ code: 'damaged-tokens', at: 'tokens', detail: error.message, resourceIds: [] })
    return 0
  }
}

/** Which owners were seen, what is condemned since when. A target that has a memory of its own keeps it. */
async function copyMemory(source: CopyableStore, target: CopyableStore): Promise<void> {
  const [from, to] = [await source.store.maintenance.loadState(), await target.store.maintenance.loadState()]
  if (from.clusterUid !== null) await target.store.maintenance.bindCluster(from.clusterUid)
  if (from.text !== undefined && to.text === undefined)
    await target.store.maintenance.saveState(Buffer.from(from.text), to.epoch)
}

function bytesOf(record: ResourceRecord | undefined): number {
  return record?.files.reduce((bytes, { sizeBytes }) => bytes + sizeBytes, 0) ?? 0
}

function isDamage(error: unknown): error is SupercargoError {
  return SupercargoError.is(error) && error.kind === 'corrupt'
}
