/** The upkeep of a disk store: what a start repairs, what the collector deletes, what is counted. */
import { type Digest, SupercargoError } from '@supercargo/protocol'
import { forEachLimited, isErrno } from '@supercargo/transfer'
import { z } from 'zod'
import { checkedNamespace, isId, isScratch, isUploadFile, scratchId } from './disk-layout.ts'
import { syncDirectory, writeFileDurably } from './file-system.ts'
import type { Intakes } from './intakes.ts'
import type { KeptState, StoreMaintenance, UploadSummary } from './maintenance.ts'
import { type StoreFormat, writeFormat } from './store-format.ts'
import type { StoreParts } from './store-parts.ts'
import { findUpload, removeUploadDirectory } from './upload-directory.ts'
import type { Uploads } from './uploads.ts'

const usageSchema = z.object({ version: z.literal(1), namespaces: z.record(z.string(), z.int().nonnegative()) })

/** Deletions at a time: they must not keep the thread pool from the transfers. */
const parallelDeletions = 2
/** The key of changes that concern the store as a whole. */
const wholeStore = '0'.repeat(26)

export class DiskMaintenance implements StoreMaintenance {
  readonly #parts: StoreParts
  readonly #uploads: Uploads
  readonly #intakes: Intakes
  #format: StoreFormat
  /** In memory: the lock of the directory keeps other processes out. */
  #epoch = 0

  constructor(parts: StoreParts, uploads: Uploads, intakes: Intakes, format: StoreFormat) {
    this.#parts = parts
    this.#uploads = uploads
    this.#intakes = intakes
    this.#format = format
  }

  /** After a start: takes up uploads that can go on, deletes what cannot, reads the last count of bytes. */
  async recover(): Promise<void> {
    const { system, layout } = this.#parts
    for (const name of await system.list(layout.incoming)) {
      if (isScratch(name)) await system.unlink(`${layout.incoming}/${name}`)
      if (!isId(name) || !(await system.stat(layout.uploadDirectory(name))).directory) continue
      const found = (await this.#isCommitted(name)) ? undefined : await findUpload(system, layout, name)
      if (found === undefined) await removeUploadDirectory(system, layout, name)
      else await this.#uploads.adopt(found)
    }
    await this.#readUsage()
  }

  sequence(): number {
    return this.#parts.events.sequence
  }

  acknowledge(sequence: number): void {
    this.#parts.events.acknowledge(sequence)
  }

  uploads(): readonly UploadSummary[] {
    return [...this.#uploads.open.values()].map((upload) => upload.summary)
  }

  async removeBlobs(
    namespace: string,
    digests: readonly Digest[],
    indexSequence: number,
    epoch: number,
  ): Promise<{ removed: number; freedBytes: number }> {
    this.#checkEpoch(epoch)
    const { shelf, events, ledger } = this.#parts
    let removed = 0
    let freedBytes = 0
    let named: ReadonlySet<Digest> | undefined
    let namedSequence = -1
    checkedNamespace(namespace)
    await forEachLimited(digests, parallelDeletions, async (digest) => {
      if (namedSequence !== events.sequence) named = events.namedAfter(indexSequence, namespace)
      namedSequence = events.sequence
      if (named === undefined || named.has(digest)) return
      await ledger.changing(namespace, async () => {
        const bytes = await shelf.remove(namespace, digest)
        if (bytes === undefined) return
        removed++
        freedBytes += bytes
        ledger.add(namespace, -bytes)
      })
    })
    return { removed, freedBytes }
  }

  async collect(id: string, indexSequence: number, epoch: number): Promise<boolean> {
    return this.#parts.changes.run(id, async () => {
      this.#checkEpoch(epoch)
      return !this.#parts.events.changedAfter(indexSequence, id) && (await this.#release(id))
    })
  }

  /** On disk nothing is left over that `sweepLeftovers` does not find. */
  async removeObjects(): Promise<number> {
    return 0
  }

  release(id: string): Promise<boolean> {
    return this.#parts.changes.run(id, () => this.#release(id))
  }

  async sweepAbandoned(): Promise<number> {
    const { limits, clock } = this.#parts
    if (limits.abandonedMs === 0) return 0
    let dropped = 0
    for (const upload of [...this.#uploads.open.values()]) {
      if (clock.monotonic() - upload.activeAtMs >= limits.abandonedMs && (await this.#uploads.abort(upload.record.id)))
        dropped++
    }
    return dropped
  }

  async sweepLeftovers(): Promise<number> {
    const { system, layout, changes } = this.#parts
    let deleted = 0
    for (const name of await system.list(layout.incoming)) {
      const id = isId(name) ? name : scratchId(name)
      if (id === undefined) continue
      // Whoever works under this id holds the key; when we have it, what is there and open nowhere is left over.
      await changes.run(id, async () => {
        if (isScratch(name)) await this.#unlink(`${layout.incoming}/${name}`)
        else if (await this.#isLeftover(id)) await removeUploadDirectory(system, layout, id)
        else return
        deleted++
      })
    }
    return deleted
  }

  usageMark(): number {
    return this.#parts.ledger.mark
  }

  setUsage(namespaces: Readonly<Record<string, number>>, mark: number): boolean {
    return this.#parts.ledger.settle(namespaces, mark)
  }

  bindCluster(uid: string): Promise<string> {
    return this.#parts.changes.run(wholeStore, async () => {
      if (this.#format.clusterUid === null) {
        const bound: StoreFormat = { ...this.#format, clusterUid: uid }
        await writeFormat(this.#parts.system, this.#parts.layout, bound)
        this.#format = bound
      }
      return this.#format.clusterUid ?? uid
    })
  }

  async beginEpoch(epoch: number): Promise<void> {
    this.#checkEpoch(epoch)
    this.#epoch = epoch
  }

  async loadState(): Promise<KeptState> {
    const { system, layout } = this.#parts
    const text = await system.readText(layout.collector).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return undefined
      throw error
    })
    return { clusterUid: this.#format.clusterUid, text, epoch: this.#epoch }
  }

  saveState(state: Uint8Array, epoch: number): Promise<void> {
    const { system, layout, changes } = this.#parts
    return changes.run(wholeStore, async () => {
      this.#checkEpoch(epoch)
      const scratch = layout.scratch('collector', wholeStore)
      await writeFileDurably(system, scratch, state)
      await system.rename(scratch, layout.collector)
      await syncDirectory(system, layout.directory)
    })
  }

  checkpoint(): Promise<void> {
    const { system, layout, ledger, changes } = this.#parts
    return changes.run(wholeStore, async () => {
      const scratch = layout.scratch('usage', wholeStore)
      await writeFileDurably(system, scratch, JSON.stringify({ version: 1, namespaces: ledger.namespaces() }))
      await system.rename(scratch, layout.usage)
    })
  }

  #checkEpoch(epoch: number): void {
    if (epoch >= this.#epoch) return
    const says = `the turn ${epoch} to sweep is over: ${this.#epoch} has begun`
    throw new SupercargoError('conflict', 'epoch-passed', says)
  }

  async #release(id: string): Promise<boolean> {
    const released = await this.#parts.records.remove(id)
    if (released) this.#parts.events.emit({ type: 'released', id })
    return released
  }

  async #isLeftover(id: string): Promise<boolean> {
    if (this.#uploads.open.has(id) || this.#intakes.open.has(id)) return false
    const { system, layout } = this.#parts
    const directory = layout.uploadDirectory(id)
    try {
      if (!(await system.stat(directory)).directory) return false
      const names = await system.list(directory)
      return names.length === 0 || names.some(isUploadFile)
    } catch (error) {
      // Whoever had it has tidied up.
      if (isErrno(error, 'ENOENT')) return false
      throw error
    }
  }

  async #unlink(path: string): Promise<void> {
    await this.#parts.system.unlink(path).catch((error: unknown) => {
      if (!isErrno(error, 'ENOENT')) throw error
    })
  }

  async #isCommitted(id: string): Promise<boolean> {
    try {
      await this.#parts.system.stat(this.#parts.layout.record(id))
      return true
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return false
      throw error
    }
  }

  /** The count of the last checkpoint is a beginning; a scan by the collector corrects it. */
  async #readUsage(): Promise<void> {
    const { system, layout, ledger } = this.#parts
    let text: string
    try {
      text = await system.readText(layout.usage)
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return
      throw error
    }
    try {
      const { namespaces } = usageSchema.parse(JSON.parse(text))
      for (const [namespace, bytes] of Object.entries(namespaces)) ledger.add(namespace, bytes)
    } catch {
      // A damaged count is as good as none: the next scan counts anew.
    }
  }
}
