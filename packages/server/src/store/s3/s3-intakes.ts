/** Intakes into a bucket: bytes go to names of their own and become blobs at the commit, without being moved. */
import { namespaceOf, SupercargoError } from '@supercargo/protocol'
import { forEachLimited } from '@supercargo/transfer'
import { type IntakeHome, type ReceivedFile, ResourceIntake } from '../intake.ts'
import type { Reservation } from '../space-ledger.ts'
import type { ResourceRecord } from '../store.ts'
import { newResourceId } from '../store-parts.ts'
import { incomplete } from '../upload-blobs.ts'
import { trustMs } from './s3-links.ts'
import { S3Part } from './s3-part.ts'
import type { S3StoreParts } from './s3-store-parts.ts'
import { strayMs } from './s3-survey.ts'

const parallelOperations = 8

export class S3Intakes {
  readonly #parts: S3StoreParts
  readonly #open = new Set<ResourceIntake>()

  constructor(parts: S3StoreParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#open.size
  }

  async create(expectedBytes: number): Promise<ResourceIntake> {
    const reservation = await this.#parts.ledger.reserve(expectedBytes, undefined)
    const home = bucketHome(this.#parts)
    const intake = new ResourceIntake(this.#parts, home, newResourceId(), reservation, () => this.#open.delete(intake))
    this.#open.add(intake)
    return intake
  }

  async abortAll(): Promise<void> {
    await Promise.allSettled([...this.#open].map((intake) => intake.abort()))
  }
}

/** What a crash leaves has no link, and is found by that. */
function bucketHome(parts: S3StoreParts): IntakeHome {
  const begun = new Map<string, S3Part>()
  const openedAtMs = parts.clock.monotonic()
  return {
    begin: (_, { sizeBytes, bytesMax, tooLarge, cover }) => {
      const { objects, budget, layout } = parts
      const at = layout.bytes(newResourceId())
      const options = { objects, budget, at, bytesMax, sizeBytes, tooLarge }
      const part = S3Part.begin(cover === undefined ? options : { ...options, cover })
      begun.set(at, part)
      return { part, place: at }
    },
    commit: (...parameters) => commit(parts, begun, openedAtMs, ...parameters),
    clear: async () => {
      for (const part of begun.values()) await part.discard()
    },
  }
}

async function commit(
  { links, ledger, records, clock }: S3StoreParts,
  begun: ReadonlyMap<string, S3Part>,
  openedAtMs: number,
  received: readonly ReceivedFile[],
  record: ResourceRecord,
  reservation: Reservation,
  published: () => void,
): Promise<void> {
  const namespace = namespaceOf(record.owners)
  const beganAtMs = clock.monotonic()
  if (beganAtMs - openedAtMs > strayMs / 2) throw tooSlow(record.id)
  await forEachLimited(received, parallelOperations, async (file) => {
    if (file.sizeBytes === 0) return
    await ledger.changing(namespace, async () => {
      begun.get(file.part)?.letGo()
      reservation.spend(file.sizeBytes, await links.put(namespace, file.digest, file.part, file.sizeBytes))
    })
  })
  const lookedAtMs = clock.monotonic()
  const isLate = lookedAtMs - beganAtMs > trustMs
  if (isLate) await assertComplete()
  await records.publish(record)
  if (clock.monotonic() - lookedAtMs > trustMs) {
    // Nobody has heard of it yet: without its blobs it never was.
    await assertComplete().catch(async (error: unknown) => {
      await records.remove(record.id)
      throw error
    })
  }
  published()

  async function assertComplete(): Promise<void> {
    const missing = await links.missing(namespace, record.files)
    if (missing.length > 0) throw incomplete(record.id, missing)
  }
}

function tooSlow(id: string): SupercargoError {
  const says = `the resource ${id} took too long to arrive in one request`
  return new SupercargoError('interrupted', 'intake-too-slow', says, {
    hint: 'stage with a client of /api/v1, which sends file by file and resumes',
  })
}
