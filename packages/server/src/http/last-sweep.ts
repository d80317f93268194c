/** The figures of the last sweep, as the metrics show them. */
import type { SweepFigures } from '../metrics.ts'
import type { CollectorDoor } from './edge.ts'

/** Undefined when there was no sweep, or the collector cannot say: a scrape does not fail for it. */
export async function lastSweepOf(collector: CollectorDoor): Promise<SweepFigures | undefined> {
  try {
    const { lastSweep, paused } = await collector.status()
    if (lastSweep === null) return undefined
    return {
      startedAtMs: Date.parse(lastSweep.startedAt),
      durationMs: lastSweep.durationMs,
      kept: lastSweep.kept,
      collected: lastSweep.collected,
      freedBytes: lastSweep.freedBytes,
      errors: lastSweep.errors.length,
      paused: paused !== null,
    }
  } catch {
    // The other metrics are still worth having.
    return undefined
  }
}
