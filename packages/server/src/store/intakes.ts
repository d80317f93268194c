/** The intakes that are open: each begun with a directory of its own, none of them outliving the process. */
import { DiskIntake } from './intake.ts'
import { newResourceId, type StoreParts } from './store-parts.ts'

export class Intakes {
  readonly #parts: StoreParts
  readonly #open = new Map<string, DiskIntake>()

  constructor(parts: StoreParts) {
    this.#parts = parts
  }

  get open(): ReadonlyMap<string, DiskIntake> {
    return this.#open
  }

  async create(expectedBytes: number): Promise<DiskIntake> {
    const { ledger, changes, system, layout } = this.#parts
    const id = newResourceId()
    const reservation = await ledger.reserve(expectedBytes, undefined)
    return changes.run(id, async () => {
      const intake = new DiskIntake(this.#parts, id, reservation, () => this.#open.delete(id))
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
