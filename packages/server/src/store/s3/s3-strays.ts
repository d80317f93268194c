/** What nobody works on any more, found by looking twice: uploads to which nothing comes, and what a crash left of them. */
import { type Clock, forEachLimited } from '@supercargo/transfer'
import type { S3StoreParts } from './s3-store-parts.ts'
import type { S3Uploads } from './s3-uploads.ts'

export interface S3Maintained extends S3StoreParts {
  readonly uploads: S3Uploads
  /** What looks left over is looked at again after this long before it goes. */
  readonly quietMs: number
}

const parallelDeletions = 8

interface Sight {
  /** What it looked like. */
  readonly look: string
  /** Elapsed time at which it looked so first. */
  readonly sinceMs: number
}

/** Remembers how things looked, by our own clock: what another wrote of time is not compared with it. */
class Sights {
  readonly #clock: Clock
  #seen = new Map<string, Sight>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** For how long each has looked like this; what is not named any more is forgotten. */
  ages(looks: ReadonlyMap<string, string>): Map<string, number> {
    const nowMs = this.#clock.monotonic()
    const seen = new Map<string, Sight>()
    for (const [key, look] of looks) {
      const before = this.#seen.get(key)
      seen.set(key, before?.look === look ? before : { look, sinceMs: nowMs })
    }
    this.#seen = seen
    return new Map([...seen].map(([key, { sinceMs }]) => [key, nowMs - sinceMs]))
  }
}

export class S3Strays {
  readonly #parts: S3Maintained
  readonly #uploads: Sights
  readonly #attempts: Sights

  constructor(parts: S3Maintained) {
    this.#parts = parts
    this.#uploads = new Sights(parts.clock)
    this.#attempts = new Sights(parts.clock)
  }

  /** Drops uploads to which nothing has arrived for so long, whichever replica took them; resolves to their number. */
  async dropAbandoned(abandonedMs: number): Promise<number> {
    const { objects, layout, uploads, records, clock, quietMs } = this.#parts
    const looks = new Map<string, string>()
    const whole = new Set<string>()
    for await (const { key, modifiedMs } of objects.list(layout.uploads)) {
      const id = layout.uploadId(key)
      if (id === undefined) continue
      looks.set(id, `${looks.get(id) ?? ''} ${modifiedMs}`)
      if (key === layout.uploadRecord(id)) whole.add(id)
    }
    const nowMs = clock.monotonic()
    const active = new Map(uploads.open.map((open) => [open.record.id, nowMs - open.activeAtMs]))
    let dropped = 0
    for (const [id, ageMs] of this.#uploads.ages(looks)) {
      if (!whole.has(id) || (await records.has(id))) {
        // What is left of one that was committed or aborted.
        if (ageMs >= quietMs) await uploads.clear(id)
        continue
      }
      // A writer at another replica shows itself only now and then.
      if (abandonedMs === 0 || ageMs < Math.max(abandonedMs, quietMs)) continue
      if ((active.get(id) ?? ageMs) >= abandonedMs && (await uploads.abort(id))) dropped++
    }
    return dropped
  }

  /** Ends attempts to write an object in parts that nothing was added to for so long, and that no open upload goes on with. */
  async abortAttempts(abandonedMs: number): Promise<number> {
    const { objects, layout, uploads, quietMs } = this.#parts
    const kept = await uploads.attempts()
    const looks = new Map<string, string>()
    for await (const { key, attempt } of objects.listParts(layout.allBytes)) {
      if (kept.has(attempt)) continue
      looks.set(JSON.stringify([key, attempt]), String(await objects.countParts(key, attempt)))
    }
    const strays = [...this.#attempts.ages(looks)]
      .filter(([, ageMs]) => ageMs >= Math.max(abandonedMs, quietMs))
      .map(([key]) => key)
    await forEachLimited(strays, parallelDeletions, async (stray) => {
      const [key, attempt] = JSON.parse(stray) as [string, string]
      await objects.abortParts(key, attempt)
    })
    return strays.length
  }
}
