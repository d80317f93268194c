/** The upkeep of a store in a bucket: what the collector deletes, in an order that a commit of another replica survives. */
import { type Digest, SupercargoError } from '@supercargo/protocol'
import { forEachLimited } from '@supercargo/transfer'
import { z } from 'zod'
import { checkedNamespace, isId } from '../disk-layout.ts'
import type { KeptState, StoreMaintenance, UploadSummary } from '../maintenance.ts'
import { bindCluster, readClusterUid } from './s3-format.ts'
import { type S3Maintained, S3Strays } from './s3-strays.ts'
import { resourceMark } from './s3-survey.ts'

const usageSchema = z.object({ version: z.literal(1), namespaces: z.record(z.string(), z.int().nonnegative()) })
const epochSchema = z.object({ epoch: z.int().nonnegative() })

const parallelDeletions = 8

export class S3Maintenance implements StoreMaintenance {
  readonly #parts: S3Maintained
  readonly #strays: S3Strays

  constructor(parts: S3Maintained) {
    this.#parts = parts
    this.#strays = new S3Strays(parts)
  }

  sequence(): number {
    return this.#parts.events.sequence
  }

  acknowledge(sequence: number): void {
    this.#parts.events.acknowledge(sequence)
  }

  uploads(): readonly UploadSummary[] {
    return this.#parts.uploads.open.map(({ summary }) => summary)
  }

  async removeBlobs(
    namespace: string,
    digests: readonly Digest[],
    indexSequence: number,
    epoch: number,
    isSecondLook = false,
  ): Promise<{ removed: number; freedBytes: number; doomed: readonly Digest[] }> {
    await this.#checkEpoch(epoch)
    const { events } = this.#parts
    checkedNamespace(namespace)
    let removed = 0
    let freedBytes = 0
    const doomed: Digest[] = []
    await forEachLimited(digests, parallelDeletions, async (digest) => {
      const named = events.namedAfter(indexSequence, namespace)
      if (named === undefined || named.has(digest)) return
      const bytes = await this.#remove(namespace, digest, isSecondLook)
      if (bytes === 'doomed') doomed.push(digest)
      else if (bytes !== undefined) {
        removed++
        freedBytes += bytes
      }
    })
    return { removed, freedBytes, doomed }
  }

  async collect(id: string, indexSequence: number, epoch: number, mark?: string): Promise<boolean> {
    const { changes, events, objects, layout } = this.#parts
    return changes.run(id, async () => {
      await this.#checkEpoch(epoch)
      if (events.changedAfter(indexSequence, id)) return false
      // Another replica may have taken a fetch or a change of which nothing is known here.
      if (mark !== undefined && (await resourceMark(objects, layout, id)) !== mark) return false
      return this.#release(id)
    })
  }

  release(id: string): Promise<boolean> {
    return this.#parts.changes.run(id, () => this.#release(id))
  }

  sweepAbandoned(): Promise<number> {
    return this.#strays.dropAbandoned(this.#parts.limits.abandonedMs)
  }

  async sweepLeftovers(): Promise<number> {
    const { abandonedMs } = this.#parts.limits
    return abandonedMs === 0 ? 0 : this.#strays.abortAttempts(abandonedMs)
  }

  async removeObjects(keys: readonly string[], epoch: number): Promise<number> {
    await this.#checkEpoch(epoch)
    const { objects, layout } = this.#parts
    const ours = keys.filter((key) => layout.isBytes(key) || layout.fetchedId(key) !== undefined)
    await forEachLimited(ours, parallelDeletions, (key) => objects.remove(key))
    return ours.length
  }

  usageMark(): number {
    return this.#parts.ledger.mark
  }

  setUsage(namespaces: Readonly<Record<string, number>>, mark: number): boolean {
    return this.#parts.ledger.settle(namespaces, mark)
  }

  bindCluster(uid: string): Promise<string> {
    return bindCluster(this.#parts.objects, this.#parts.layout, uid)
  }

  async beginEpoch(epoch: number): Promise<void> {
    const { objects, layout } = this.#parts
    for (;;) {
      const found = await this.#epoch()
      if (found !== undefined && found.epoch > epoch) throw epochPassed(epoch, found.epoch)
      if (found?.epoch === epoch) return
      const condition = found === undefined ? ({ absent: true } as const) : { etag: found.etag }
      if ((await objects.write(layout.epoch, JSON.stringify({ epoch }), condition)) !== undefined) return
    }
  }

  async loadState(): Promise<KeptState> {
    const { objects, layout } = this.#parts
    const [clusterUid, state, latest] = await Promise.all([
      readClusterUid(objects, layout),
      objects.readText(layout.collector),
      this.#epoch(),
    ])
    return { clusterUid, text: state?.text, epoch: latest?.epoch ?? 0 }
  }

  async saveState(state: Uint8Array, epoch: number): Promise<void> {
    await this.#checkEpoch(epoch)
    await this.#parts.objects.write(this.#parts.layout.collector, state)
  }

  async checkpoint(): Promise<void> {
    const { objects, layout, ledger } = this.#parts
    await objects.write(layout.usage, JSON.stringify({ version: 1, namespaces: ledger.namespaces() }))
  }

  /** The count of the last checkpoint is a beginning; a scan by the collector corrects it. */
  async readUsage(): Promise<void> {
    const { objects, layout, ledger } = this.#parts
    const text = (await objects.readText(layout.usage))?.text
    if (text === undefined) return
    try {
      const { namespaces } = usageSchema.parse(JSON.parse(text))
      for (const [namespace, bytes] of Object.entries(namespaces)) ledger.add(namespace, bytes)
    } catch {
      // A damaged count is as good as none: the next scan counts anew.
    }
  }

  /**
   * Dooms a blob at the first look. At a second one, after records and uploads were looked at anew, it goes: whoever relied
   * on it since the first has made it `kept` again, and whoever did before is to be seen by then.
   */
  async #remove(namespace: string, digest: Digest, isSecondLook: boolean): Promise<number | 'doomed' | undefined> {
    const { links, objects, layout, ledger } = this.#parts
    const found = await links.find(namespace, digest)
    if (found === undefined) return undefined
    const { link, etag } = found
    if (link.state === 'gone') {
      // Nobody has put anything there since the scan before.
      await objects.remove(link.at)
      await objects.remove(layout.link(namespace, digest), etag)
      return 0
    }
    if (link.state === 'kept') return (await links.change(namespace, digest, found, 'doomed')) ? 'doomed' : undefined
    if (!isSecondLook) return 'doomed'
    return ledger.changing(namespace, async () => {
      if (!(await links.change(namespace, digest, found, 'gone'))) return undefined
      ledger.add(namespace, -link.sizeBytes)
      await objects.remove(link.at)
      return link.sizeBytes
    })
  }

  async #release(id: string): Promise<boolean> {
    const { records, events, objects, layout } = this.#parts
    if (!isId(id)) return false
    // What a crash left of its upload must not come back as an open one.
    await objects.remove(layout.uploadRecord(id))
    const released = await records.remove(id)
    if (released) events.emit({ type: 'released', id })
    return released
  }

  async #checkEpoch(epoch: number): Promise<void> {
    const latest = (await this.#epoch())?.epoch ?? 0
    if (epoch < latest) throw epochPassed(epoch, latest)
  }

  async #epoch(): Promise<{ readonly epoch: number; readonly etag: string } | undefined> {
    const found = await this.#parts.objects.readText(this.#parts.layout.epoch)
    if (found === undefined) return undefined
    try {
      return { epoch: epochSchema.parse(JSON.parse(found.text)).epoch, etag: found.etag }
    } catch (error) {
      throw new SupercargoError('corrupt', 'damaged-epoch', 'the number of the latest turn to sweep is damaged', {
        cause: error,
        hint: 'delete epoch.json while no server runs',
      })
    }
  }
}

function epochPassed(epoch: number, latest: number): SupercargoError {
  const says = `the turn ${epoch} to sweep is over: ${latest} has begun`
  return new SupercargoError('conflict', 'epoch-passed', says)
}
