/** The manifests of the staged resources that the plans name: each once, side by side. */
import { printable, type StagedFile } from '@supercargo/protocol'
import { forEachLimited, withRetry } from '@supercargo/transfer'
import { credentialFileOf } from './root-plan.ts'
import type { Run } from './run.ts'
import type { Root } from './survey.ts'

/** By resource id. */
export async function readManifests(roots: readonly Root[], run: Run): Promise<Map<string, readonly StagedFile[]>> {
  const wanted = new Map<string, string>()
  for (const item of roots.flatMap((root) => root.plan.items)) {
    if ('resource' in item && !wanted.has(item.resource)) wanted.set(item.resource, credentialFileOf(item))
  }
  const manifests = new Map<string, readonly StagedFile[]>()
  if (wanted.size === 0) return manifests
  const staged = await run.sources.staged()
  await forEachLimited(
    wanted,
    run.transfersMax,
    async ([resource, secretFile], signal) => {
      const target = `the manifest of ${printable(resource).slice(1, -1)}`
      run.progress.begin(target, undefined)
      const files = await withRetry(() => staged.manifest(resource, secretFile, signal), {
        attemptsMax: run.limits.attemptsMax,
        deadlineAtMs: run.deadlineAtMs,
        signal,
        clock: run.clock,
        onRetry: (failure) => run.progress.failed(target, failure.message),
      })
      run.progress.end(target)
      manifests.set(resource, files)
    },
    run.signal,
  )
  return manifests
}
