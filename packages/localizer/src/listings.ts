/** The files behind the URIs that name a folder or a pattern: each asked for once, side by side. */
import { forEachLimited, withRetry } from '@supercargo/transfer'
import { sourceItemOf } from './expand.ts'
import { itemError } from './item-error.ts'
import type { Item } from './root-plan.ts'
import type { Run } from './run.ts'
import type { ListedFile } from './sources/source.ts'
import type { Root } from './survey.ts'

/** By the URI as the plan writes it. After `openFor`. */
export async function readListings(roots: readonly Root[], run: Run): Promise<Map<string, readonly ListedFile[]>> {
  const wanted = new Map<string, Extract<Item, { uri: string }>>()
  for (const item of roots.flatMap((root) => root.plan.items)) {
    if ('uri' in item && !/^local:/i.test(item.uri)) wanted.set(item.uri, item)
  }
  const listings = new Map<string, readonly ListedFile[]>()
  await forEachLimited(
    wanted,
    run.transfersMax,
    async ([uri, planned], signal) => {
      const item = sourceItemOf(planned)
      const source = await run.sources.of(item)
      const { listedFilesMax: filesMax, attemptsMax } = run.limits
      const shown = run.sources.shown(item)
      try {
        const files = await withRetry(async () => source.list?.(item, { filesMax, signal }), {
          attemptsMax,
          deadlineAtMs: run.deadlineAtMs,
          signal,
          clock: run.clock,
        })
        if (files !== undefined) listings.set(uri, files)
      } catch (error) {
        throw itemError(error, { target: planned.to, shown })
      }
    },
    run.signal,
  )
  return listings
}
