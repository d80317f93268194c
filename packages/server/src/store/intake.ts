/** A resource that arrives in one request: files of any size, their digests found on the way, all or nothing at the end. */
import {
  formatBytes,
  type Owner,
  pathConflict,
  printable,
  Secret,
  type StagedFile,
  SupercargoError,
} from '@supercargo/protocol'
import { checkedNamespace } from './disk-layout.ts'
import type { Part, PartOptions } from './part-writer.ts'
import type { Reservation } from './space-ledger.ts'
import type { BlobWriter, CommitNotes, Door, Intake, ResourceRecord } from './store.ts'
import { fromStorageError, uploadEnded } from './store-error.ts'
import { checkCount, checkedOwners, checkPath, fileTooLarge, resourceTooLarge, type StoreParts } from './store-parts.ts'

/** What an intake needs to know of its store. */
export type IntakeParts = Pick<StoreParts, 'limits' | 'clock' | 'changes' | 'events'>

/** Where the bytes of an intake wait for its commit. */
export interface IntakeHome {
  begin(index: number, options: IntakePartOptions): IntakePart
  /**
   * Makes the received files blobs of the namespace, durably, and then publishes the record. `published` is called in the
   * same turn in which they need no protection any more.
   */
  commit(
    received: readonly ReceivedFile[],
    record: ResourceRecord,
    reservation: Reservation,
    published: () => void,
  ): Promise<void>
  /** Removes what is left of the bytes. */
  clear(): Promise<void>
}

export interface IntakePartOptions extends Omit<PartOptions, 'system' | 'budget' | 'path'> {
  /** As it was declared. */
  readonly sizeBytes: number | undefined
}

export interface IntakePart {
  readonly part: Part
  /** What finds the durable bytes again. */
  readonly place: string
}

export interface ReceivedFile extends StagedFile {
  /** Where its durable bytes wait for the commit. */
  readonly part: string
}

interface ArrivingFile {
  readonly path: string
  readonly sizeBytes: number | undefined
  readonly part: Part
}

export class ResourceIntake implements Intake {
  readonly id: string
  readonly secret = Secret.mint()
  readonly #parts: IntakeParts
  readonly #home: IntakeHome
  readonly #reservation: Reservation
  readonly #createdAtMs: number
  readonly #onEnd: () => void
  readonly #received: ReceivedFile[] = []
  readonly #arriving = new Set<ArrivingFile>()
  #receivedBytes = 0
  #files = 0
  #ended = false

  constructor(parts: IntakeParts, home: IntakeHome, id: string, reservation: Reservation, onEnd: () => void) {
    this.#parts = parts
    this.#home = home
    this.id = id
    this.#reservation = reservation
    this.#createdAtMs = parts.clock.now()
    this.#onEnd = onEnd
  }

  bindNamespace(namespace: string): void {
    this.#reservation.bind(checkedNamespace(namespace))
  }

  async file(path: string, sizeBytes: number | undefined): Promise<BlobWriter> {
    const { limits } = this.#parts
    if (this.#ended) throw uploadEnded(this.id)
    checkPath(path)
    checkCount(this.#received.length + this.#arriving.size + 1, limits)
    const arrived = this.#arrivedBytes()
    const ownMax = limits.fileBytesMax === 0 ? Number.MAX_SAFE_INTEGER : limits.fileBytesMax
    const restMax = limits.resourceBytesMax === 0 ? Number.MAX_SAFE_INTEGER : limits.resourceBytesMax - arrived
    const tooLarge = () =>
      sizeBytes !== undefined && sizeBytes <= ownMax && sizeBytes <= restMax
        ? fileTooLong(path, sizeBytes)
        : ownMax <= restMax
          ? fileTooLarge(path, ownMax)
          : resourceTooLarge(limits.resourceBytesMax)
    const bytesMax = Math.min(ownMax, restMax)
    if ((sizeBytes ?? 0) > bytesMax) throw tooLarge()
    await this.#reservation.cover(arrived + (sizeBytes ?? 0))
    if (this.#ended) throw uploadEnded(this.id)
    const { part, place } = this.#home.begin(this.#files++, {
      sizeBytes,
      bytesMax: sizeBytes ?? bytesMax,
      tooLarge,
      // What is declared is promised already; the rest is promised in steps, on top of what the other files take.
      ...(sizeBytes === undefined && {
        cover: (bytes: number) => this.#reservation.cover(this.#arrivedBytes() - part.sizeBytes + bytes),
      }),
      landed: this.#reservation.landed,
    })
    const arriving: ArrivingFile = { path, sizeBytes, part }
    this.#arriving.add(arriving)
    return this.#writer(arriving, place)
  }

  async commit(owners: readonly Owner[], door: Door, notes: CommitNotes = {}): Promise<ResourceRecord> {
    return this.#parts.changes.run(this.id, async () => {
      if (this.#ended) throw uploadEnded(this.id)
      try {
        return await this.#commit(owners, door, notes)
      } catch (error) {
        throw fromStorageError(error, `cannot commit the resource ${this.id}`)
      } finally {
        // What cannot be deleted now, a sweep or the next start deletes.
        await this.#end().catch(() => undefined)
      }
    })
  }

  async abort(): Promise<void> {
    await this.#parts.changes.run(this.id, async () => {
      if (this.#ended) return
      await this.#end().catch((error: unknown) => {
        throw fromStorageError(error, `cannot abort the resource ${this.id}`)
      })
    })
  }

  #writer(arriving: ArrivingFile, place: string): BlobWriter {
    const { part, path, sizeBytes } = arriving
    let ending: Promise<unknown> | undefined
    const discard = async () => {
      await part.discard()
      this.#arriving.delete(arriving)
    }
    const commit = async () => {
      try {
        const digest = await part.finish((_, arrivedBytes) => checkLength(path, sizeBytes, arrivedBytes))
        if (this.#ended) throw uploadEnded(this.id)
        this.#received.push({ path, digest, sizeBytes: part.sizeBytes, part: place })
        this.#receivedBytes += part.sizeBytes
        this.#arriving.delete(arriving)
        return { digest, sizeBytes: part.sizeBytes }
      } catch (error) {
        await discard().catch(() => undefined)
        throw fromStorageError(error, `cannot store ${printable(path)}`)
      }
    }
    return {
      offset: 0,
      write: (chunk) => part.write(chunk),
      commit: () => {
        if (ending !== undefined)
          return Promise.reject(new SupercargoError('internal', 'writer-ended', 'this transfer has ended already'))
        const committing = commit()
        ending = committing
        return committing
      },
      suspend: async () => {
        throw new SupercargoError(
          'invalid',
          'not-resumable',
          'a resource that arrives in one request cannot be continued by another',
        )
      },
      abort: async () => {
        ending ??= discard()
        await ending.catch(() => undefined)
      },
    }
  }

  async #commit(owners: readonly Owner[], door: Door, notes: CommitNotes): Promise<ResourceRecord> {
    const { events, clock } = this.#parts
    const namespace = checkedOwners(owners)
    if (this.#arriving.size > 0)
      throw new SupercargoError('internal', 'unfinished-file', `a file of the resource ${this.id} is not complete yet`)
    const conflict = pathConflict(this.#received.map(({ path }) => path))
    if (conflict !== undefined) throw new SupercargoError('invalid', 'path-conflict', `the files disagree: ${conflict}`)
    this.bindNamespace(namespace)
    const files = this.#received.map(({ path, sizeBytes, digest }): StagedFile => ({ path, sizeBytes, digest }))
    const record: ResourceRecord = {
      version: 1,
      id: this.id,
      secretHash: this.secret.hash(),
      owners,
      files,
      door,
      createdAtMs: this.#createdAtMs,
      committedAtMs: clock.now(),
      capabilities: [],
      ...notes,
    }
    await this.#home.commit(this.#received, record, this.#reservation, () =>
      events.emit({ type: 'committed', id: this.id, record }),
    )
    return record
  }

  async #end(): Promise<void> {
    this.#ended = true
    this.#reservation.release()
    try {
      await Promise.all([...this.#arriving].map(({ part }) => part.interrupt(uploadEnded(this.id))))
      await this.#home.clear()
    } finally {
      this.#onEnd()
    }
  }

  /** Bytes that the files have or will have, as far as that is known. */
  #arrivedBytes(): number {
    let bytes = this.#receivedBytes
    for (const { part, sizeBytes } of this.#arriving) bytes += sizeBytes ?? part.sizeBytes
    return bytes
  }
}

function checkLength(path: string, declared: number | undefined, arrived: number): void {
  if (declared === undefined || declared === arrived) return
  throw new SupercargoError(
    'invalid',
    'file-too-short',
    `only ${formatBytes(arrived)} of ${formatBytes(declared)} came of ${printable(path)}`,
    {
      context: { sizeBytes: arrived, expectedBytes: declared },
    },
  )
}

function fileTooLong(path: string, declared: number): SupercargoError {
  return new SupercargoError(
    'tooLarge',
    'file-too-long',
    `more than the declared ${formatBytes(declared)} came of ${printable(path)}`,
    {
      context: { expectedBytes: declared },
    },
  )
}
