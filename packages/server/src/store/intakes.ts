/** The intakes that are open on disk: each begun with a directory of its own, none of them outliving the process. */
import { type Digest, namespaceOf, SupercargoError } from '@supercargo/protocol'
import { forEachLimited } from '@supercargo/transfer'
import { type IntakeHome, type ReceivedFile, ResourceIntake } from './intake.ts'
import { distinctFiles } from './open-upload.ts'
import { PartWriter } from './part-writer.ts'
import type { Reservation } from './space-ledger.ts'
import type { ResourceRecord } from './store.ts'
import { newResourceId, type StoreParts } from './store-parts.ts'
import { removeUploadDirectory } from './upload-directory.ts'

/** Blobs published at a time. */
const parallelOperations = 8

export class Intakes {
  readonly #parts: StoreParts
  readonly #open = new Map<string, ResourceIntake>()

  constructor(parts: StoreParts) {
    this.#parts = parts
  }

  get open(): ReadonlyMap<string, ResourceIntake> {
    return this.#open
  }

  async create(expectedBytes: number): Promise<ResourceIntake> {
    const { ledger, changes, system, layout } = this.#parts
    const id = newResourceId()
    const reservation = await ledger.reserve(expectedBytes, undefined)
    return changes.run(id, async () => {
      const home = directoryHome(this.#parts, id)
      const intake = new ResourceIntake(this.#parts, home, id, reservation, () => this.#open.delete(id))
      this.#open.set(id, intake)
      try {
        await system.makeDirectory(layout.uploadDirectory(id))
      } catch (error) {
        this.#open.delete(id)
        reservation.release()
        throw error
      }
      return intake
    })
  }

  async abortAll(): Promise<void> {
    await Promise.allSettled([...this.#open.values()].map((intake) => intake.abort()))
  }
}

function directoryHome(parts: StoreParts, id: string): IntakeHome {
  const { system, budget, layout } = parts
  return {
    begin: (index, options) => {
      const path = layout.intakePart(id, index)
      return { part: PartWriter.begin({ ...options, system, budget, path }), place: path }
    },
    commit: (...parameters) => commit(parts, ...parameters),
    clear: () => removeUploadDirectory(system, layout, id),
  }
}

async function commit(
  { shelf, ledger, records }: StoreParts,
  received: readonly ReceivedFile[],
  record: ResourceRecord,
  reservation: Reservation,
  published: () => void,
): Promise<void> {
  const namespace = namespaceOf(record.owners)
  const digests = distinctFiles(record.files).keys().toArray()
  const pinned = shelf.pin(namespace, digests)
  try {
    await pinned
    await forEachLimited(received, parallelOperations, async (file) => {
      await ledger.changing(namespace, async () => {
        const addedBytes = await shelf.publish(file.part, namespace, file.digest, file.sizeBytes)
        reservation.spend(file.sizeBytes, addedBytes)
      })
    })
    const missing: readonly Digest[] = await shelf.makeDurable(namespace, record.files)
    if (missing.length > 0) {
      const says = `bytes of the resource ${record.id} could not be made durable`
      throw new SupercargoError('unavailable', 'blob-lost', says)
    }
    await records.publish(record)
    // Nothing is awaited between this and the end of the pins: a deletion sees the pins or the event, never neither.
    published()
  } finally {
    shelf.unpin(namespace, digests)
  }
}
