/** The immutable blobs of all namespaces: published by rename, pinned while an upload names them, made durable at a commit. */
import type { Digest, StagedFile } from '@supercargo/protocol'
import { forEachLimited, isErrno } from '@supercargo/transfer'
import { openBlob } from './blob-reader.ts'
import type { DiskLayout } from './disk-layout.ts'
import type { FileSystem } from './file-system.ts'
import { KeyedMutex } from './keyed-mutex.ts'
import type { BlobReader } from './store.ts'
import { UnsyncedNames } from './unsynced-names.ts'

/** Attempts to place a blob while a removal takes its emptied directory away. */
const placeAttemptsMax = 5
/** Disk operations at a time: more than the four threads that Node has for them gains nothing. */
const parallelOperations = 8

/** As long as a blob is pinned only this store changes it, so that what was seen once need not be looked up again. */
interface Pin {
  count: number
  /** `placed`: by this store, whole and under the digest of its bytes. */
  known?: 'absent' | 'placed' | undefined
  /** The losses of names at that time; after another loss nothing is known any more. */
  losses: number
}

export class BlobShelf {
  readonly #system: FileSystem
  readonly #layout: DiskLayout
  readonly #unsynced: UnsyncedNames
  readonly #pins = new Map<string, Pin>()
  readonly #removing = new Map<string, Promise<unknown>>()
  readonly #placing = new KeyedMutex()

  constructor(system: FileSystem, layout: DiskLayout) {
    this.#system = system
    this.#layout = layout
    this.#unsynced = new UnsyncedNames(system)
  }

  /** Keeps blobs from being removed, whether they exist or not. Resolves when a removal that had begun is over. */
  async pin(namespace: string, digests: Iterable<Digest>): Promise<void> {
    const removals: Promise<unknown>[] = []
    for (const digest of digests) {
      const path = this.#layout.blob(namespace, digest)
      const pin = this.#pins.get(path)
      if (pin === undefined) this.#pins.set(path, { count: 1, losses: 0 })
      else pin.count++
      const removal = this.#removing.get(path)
      if (removal !== undefined) removals.push(removal)
    }
    await Promise.allSettled(removals)
  }

  unpin(namespace: string, digests: Iterable<Digest>): void {
    for (const digest of digests) {
      const path = this.#layout.blob(namespace, digest)
      const pin = this.#pins.get(path)
      if (pin !== undefined && --pin.count === 0) this.#pins.delete(path)
    }
  }

  async has(namespace: string, digest: Digest, sizeBytes: number): Promise<boolean> {
    const path = this.#layout.blob(namespace, digest)
    const known = this.#knownOf(path)
    if (known !== undefined) return known === 'placed'
    const found = await this.#size(path)
    if (found === undefined && this.#knownOf(path) === undefined) this.#note(path, 'absent')
    return found === sizeBytes
  }

  /** The digests of these files whose blobs are not there, each once. */
  async missing(namespace: string, files: Iterable<StagedFile>): Promise<Digest[]> {
    const sizes = new Map<Digest, number>()
    for (const file of files) sizes.set(file.digest, file.sizeBytes)
    const absent = new Set<Digest>()
    const unknown: [Digest, number][] = []
    for (const [digest, sizeBytes] of sizes) {
      const known = this.#knownOf(this.#layout.blob(namespace, digest))
      if (known === 'absent') absent.add(digest)
      else if (known === undefined) unknown.push([digest, sizeBytes])
    }
    await forEachLimited(unknown, parallelOperations, async ([digest, sizeBytes]) => {
      if (!(await this.has(namespace, digest, sizeBytes))) absent.add(digest)
    })
    return [...sizes.keys()].filter((digest) => absent.has(digest))
  }

  /** Makes the blobs of these files durable under their names; resolves to the digests that are missing, none when all is well. */
  async makeDurable(namespace: string, files: readonly StagedFile[]): Promise<Digest[]> {
    for (;;) {
      const losses = this.#unsynced.losses
      const missing = await this.missing(namespace, files)
      if (missing.length > 0) return missing
      // Parents first: what is in a directory that may vanish is not durable however often it is synced itself.
      await this.#unsynced.sync(this.#layout.blobs)
      await this.#unsynced.sync(this.#layout.namespaceBlobs(namespace))
      const shards = new Set(files.map((file) => this.#layout.shard(namespace, file.digest)))
      await forEachLimited(shards, parallelOperations, (shard) => this.#unsynced.sync(shard))
      if (losses === this.#unsynced.losses) return []
    }
  }

  /**
   * Moves a durable part to its place, or drops it when an equal blob is there already. Its digest must be pinned. Resolves
   * to the bytes by which the namespace grew.
   */
  async publish(part: string, namespace: string, digest: Digest, sizeBytes: number): Promise<number> {
    const path = this.#layout.blob(namespace, digest)
    return this.#placing.run(path, async () => {
      const known = this.#knownOf(path)
      const before = known === undefined ? await this.#size(path) : known === 'placed' ? sizeBytes : undefined
      if (before === sizeBytes) {
        await this.#system.unlink(part)
        return 0
      }
      // A rename that fails may have happened.
      this.#note(path, undefined)
      await this.#place(part, namespace, digest)
      this.#note(path, 'placed')
      return sizeBytes - (before ?? 0)
    })
  }

  open(namespace: string, digest: Digest, sizeBytes: number): Promise<BlobReader> {
    const path = this.#layout.blob(namespace, digest)
    return openBlob(this.#system, path, digest, sizeBytes, path.slice(this.#layout.blobs.length + 1))
  }

  /**
   * Deletes a blob that no record names, unless it is pinned. Nothing is awaited between the look at the pins and the
   * mark that makes the next `pin` wait. Resolves to the bytes freed, undefined when it was kept.
   */
  async remove(namespace: string, digest: Digest): Promise<number | undefined> {
    const path = this.#layout.blob(namespace, digest)
    if (this.#pins.has(path) || this.#removing.has(path)) return undefined
    const removal = this.#placing.run(path, () => this.#delete(path, namespace, digest))
    this.#removing.set(path, removal)
    try {
      return await removal
    } finally {
      this.#removing.delete(path)
    }
  }

  async #delete(path: string, namespace: string, digest: Digest): Promise<number> {
    const sizeBytes = await this.#size(path)
    const shard = this.#layout.shard(namespace, digest)
    if (sizeBytes !== undefined) await this.#system.unlink(path)
    this.#unsynced.forget(shard, path)
    // Emptied directories go too. One that is not empty refuses, and whoever places a blob at this moment makes it again.
    await this.#system
      .removeDirectory(shard)
      .then(() => this.#system.removeDirectory(this.#layout.namespaceBlobs(namespace)))
      .catch(() => undefined)
    return sizeBytes ?? 0
  }

  async #place(part: string, namespace: string, digest: Digest): Promise<void> {
    const home = this.#layout.namespaceBlobs(namespace)
    const shard = this.#layout.shard(namespace, digest)
    const path = this.#layout.blob(namespace, digest)
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#system.rename(part, path)
        break
      } catch (error) {
        if (!isErrno(error, 'ENOENT') || attempt === placeAttemptsMax) throw error
      }
      await this.#makeDirectory(this.#layout.blobs, home)
      await this.#makeDirectory(home, shard)
    }
    this.#unsynced.addFile(shard, path)
  }

  async #makeDirectory(parent: string, path: string): Promise<void> {
    try {
      await this.#system.makeDirectory(path)
      this.#unsynced.addDirectory(parent, path)
    } catch (error) {
      // ENOENT: a removal took the parent away; the next attempt makes it again.
      if (!isErrno(error, 'EEXIST', 'ENOENT')) throw error
    }
  }

  #knownOf(path: string): Pin['known'] {
    const pin = this.#pins.get(path)
    return pin?.losses === this.#unsynced.losses ? pin.known : undefined
  }

  #note(path: string, known: Pin['known']): void {
    const pin = this.#pins.get(path)
    if (pin === undefined) return
    pin.known = known
    pin.losses = this.#unsynced.losses
  }

  async #size(path: string): Promise<number | undefined> {
    if (this.#unsynced.distrusts(path)) return undefined
    try {
      const facts = await this.#system.stat(path)
      return facts.file ? facts.sizeBytes : undefined
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw error
    }
  }
}
