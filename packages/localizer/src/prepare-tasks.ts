/** The last step before the first byte: work directories, sizes as far as they can be known, and the space for them. */
import { basename, dirname } from 'node:path'
import { withRetry } from '@supercargo/transfer'
import type { Assignment, Content } from './assignment.ts'
import type { Fetch, FetchContext } from './fetch-context.ts'
import { itemError } from './item-error.ts'
import { openIncoming } from './work-directory.ts'

export interface Task {
  readonly content: Content
  readonly fetch: Fetch
}

/** Rejects with kind `exhausted` when the known sizes do not fit. What an earlier run has left counts as written. */
export async function prepareTasks(
  assignments: readonly Assignment[],
  context: FetchContext,
  signal: AbortSignal,
): Promise<Task[]> {
  const tasks: Task[] = []
  for (const { root, contents } of assignments) {
    await openIncoming(root.work, new Set(contents.map((content) => basename(content.path))), context.disk)
    for (const content of contents) tasks.push(await prepare(content, context, signal))
  }
  for (const { fetch } of tasks) context.progress.expect(fetch.sizeBytes)
  return tasks
}

async function prepare(content: Content, context: FetchContext, signal: AbortSignal): Promise<Task> {
  const first = content.inputs[0]!
  const { item, shown } = first
  const target = first.to === '.' ? shown : first.to
  const digest = content.inputs.find((input) => input.digest !== undefined)?.digest
  const sizeBytes = content.inputs.find((input) => input.sizeBytes !== undefined)?.sizeBytes
  try {
    const knownBytes = sizeBytes ?? (await statBytes(content, context, signal))
    if (knownBytes !== undefined) claim(content, knownBytes, digest !== undefined, context)
    const claimed = knownBytes !== undefined
    return { content, fetch: { item, shown, target, path: content.path, digest, sizeBytes, claimed } }
  } catch (error) {
    throw itemError(error, { target, shown })
  }
}

/** What is held of a known digest is on the disk already; every target beyond the first is a copy. */
function claim(content: Content, knownBytes: number, continuable: boolean, context: FetchContext): void {
  const heldBytes = continuable ? (context.disk.stat(content.path)?.size ?? 0) : 0
  const copies = Math.max(1, content.inputs.filter((input) => !input.unpack).length)
  context.space.claim(dirname(content.path), knownBytes * copies - Math.min(heldBytes, knownBytes))
}

/** Only from sources that tell a size without content and without a round trip for nothing. */
async function statBytes(content: Content, context: FetchContext, signal: AbortSignal): Promise<number | undefined> {
  const { item } = content.inputs[0]!
  const { attemptsMax } = context.limits
  const facts = await withRetry(async () => (await context.sources.of(item)).stat(item, signal), {
    attemptsMax,
    deadlineAtMs: context.deadlineAtMs,
    signal,
    clock: context.clock,
  })
  return facts.sizeBytes
}
