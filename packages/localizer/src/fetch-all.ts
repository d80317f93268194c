/** Everything that is missing, at once: small staged files by bundle, the others side by side, archives unpacked as they come. */
import { join } from 'node:path'
import { SupercargoError, toSupercargoError } from '@supercargo/protocol'
import { forEachLimited } from '@supercargo/transfer'
import type { Content } from './assignment.ts'
import { workMode } from './disk.ts'
import type { Input } from './expand.ts'
import { fetchBundle, isBundled } from './fetch-bundle.ts'
import type { FetchContext, Fetched } from './fetch-context.ts'
import { fetchFile } from './fetch-file.ts'
import { itemError } from './item-error.ts'
import type { Task } from './prepare-tasks.ts'
import type { SourceItem } from './sources/source.ts'
import { unpack } from './unpack/archive.ts'
import type { Unpacked } from './unpack/unpack-request.ts'

/** Fewer small files than this are not worth a bundle. */
const bundledFilesMin = 4

export interface Arrival {
  readonly content: Content
  readonly fetched: Fetched
  /** By input key, for the inputs that are unpacked. */
  readonly unpacked: ReadonlyMap<string, Unpacked>
}

/** Resolves when all contents are complete and verified. The first failure stops the others and is thrown; others are attached. */
export async function fetchAll(
  tasks: readonly Task[],
  transfersMax: number,
  context: FetchContext,
  smallFilesOf: (resource: string) => number,
  signal: AbortSignal,
): Promise<Arrival[]> {
  const arrivals: Arrival[] = []
  const failures: unknown[] = []
  const arrive = async ({ content }: Task, fetched: Fetched, inner: AbortSignal): Promise<void> => {
    arrivals.push({ content, fetched, unpacked: await unpackInputs(content, fetched, context, inner) })
  }
  const single = async (task: Task, inner: AbortSignal): Promise<void> =>
    arrive(task, await fetchFile(task.fetch, context, inner), inner)
  const guarded =
    <T>(work: (item: T, inner: AbortSignal) => Promise<void>) =>
    async (item: T, inner: AbortSignal): Promise<void> => {
      try {
        await work(item, inner)
      } catch (error) {
        if (!inner.aborted) failures.push(error)
        throw error
      }
    }
  const { bundles, singles } = divide(tasks, context, smallFilesOf)
  const left: Task[] = []
  const bundle = async (group: readonly Task[], inner: AbortSignal): Promise<void> => {
    const byPath = new Map(group.map((task) => [stagedPath(task.fetch.item), task.fetch]))
    const done = await fetchBundle(byPath, group[0]!.fetch.item, context, inner)
    for (const task of group) {
      const fetched = done.get(task.fetch)
      if (fetched === undefined) left.push(task)
      else await arrive(task, fetched, inner)
    }
  }
  const first: (readonly Task[] | Task)[] = [...bundles, ...singles]
  const either = (work: readonly Task[] | Task, inner: AbortSignal) =>
    'fetch' in work ? single(work, inner) : bundle(work, inner)
  try {
    await forEachLimited(first, transfersMax, guarded(either), signal)
    await forEachLimited(left, transfersMax, guarded(single), signal)
  } catch (error) {
    throw withOthers(
      error,
      failures.filter((failure) => failure !== error),
    )
  }
  return arrivals
}

/** Largest first, so that none of them begins when the others have ended. */
function divide(
  tasks: readonly Task[],
  context: FetchContext,
  smallFilesOf: (resource: string) => number,
): { bundles: Task[][]; singles: Task[] } {
  const groups = new Map<string, Task[]>()
  const singles: Task[] = []
  for (const task of tasks) {
    const { item, sizeBytes, digest, path } = task.fetch
    const small = item.kind === 'staged' && digest !== undefined && sizeBytes !== undefined && isBundled(sizeBytes)
    // What an earlier run has left complete is only verified.
    if (!small || (sizeBytes > 0 && context.disk.stat(path)?.size === sizeBytes)) {
      singles.push(task)
      continue
    }
    const group = groups.get(item.resource)
    if (group === undefined) groups.set(item.resource, [task])
    else group.push(task)
  }
  const bundles: Task[][] = []
  for (const [resource, group] of groups) {
    if (group.length >= bundledFilesMin && group.length * 2 >= smallFilesOf(resource)) bundles.push(group)
    else singles.push(...group)
  }
  return { bundles, singles: singles.sort((a, b) => (b.fetch.sizeBytes ?? 0) - (a.fetch.sizeBytes ?? 0)) }
}

async function unpackInputs(
  content: Content,
  fetched: Fetched,
  context: FetchContext,
  signal: AbortSignal,
): Promise<Map<string, Unpacked>> {
  const unpacked = new Map<string, Unpacked>()
  for (const input of content.inputs) {
    if (input.unpack) unpacked.set(input.key, await unpackInput(input, content, fetched, context, signal))
  }
  return unpacked
}

async function unpackInput(
  input: Input,
  content: Content,
  fetched: Fetched,
  context: FetchContext,
  signal: AbortSignal,
): Promise<Unpacked> {
  const into = unpackDirectory(content, input)
  await context.disk.remove(into)
  await context.disk.makeDirectory(into, workMode)
  try {
    return await unpack({
      path: content.path,
      into,
      name: input.shown,
      fileName: input.shown,
      sizeBytes: fetched.sizeBytes,
      limits: context.limits,
      disk: context.disk,
      syncs: context.syncs,
      signal,
    })
  } catch (error) {
    await context.disk.remove(into)
    throw itemError(error, { target: input.to === '.' ? input.shown : input.to, shown: input.shown })
  }
}

/** Where the entries of an input wait for publication. */
export function unpackDirectory(content: Content, input: Input): string {
  return join(content.root.work.incoming, `${input.key}.d`)
}

function stagedPath(item: SourceItem): string {
  return item.kind === 'staged' ? item.path : ''
}

function withOthers(error: unknown, others: readonly unknown[]): unknown {
  if (others.length === 0) return error
  const { kind, code, message, cause, hint, context, retryAfterMs, status } = toSupercargoError(error)
  const messages = others.slice(0, 5).map((other) => toSupercargoError(other).message)
  return new SupercargoError(kind, code, message, {
    cause,
    hint,
    retryAfterMs,
    status,
    context: { ...context, others: messages },
  })
}
