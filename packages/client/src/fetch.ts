/** Fetching: the files of a resource appear below a directory, verified, each at once, and a cut transfer goes on where it was. */
import {
  bundledFileBytesMax,
  type Manifest,
  pathConflict,
  pathFault,
  printable,
  type Secret,
  type StagedFile,
  SupercargoError,
} from '@supercargo/protocol'
import { forEachLimited, Hasher, type RetryOptions, readBundle, withRetry } from '@supercargo/transfer'
import type { Connection } from './connection.ts'
import { openBundle } from './download.ts'
import { type FetchFlow, fetchFile } from './fetch-file.ts'
import { FetchTarget } from './fetch-target.ts'
import { manifest } from './inspect.ts'
import { type OnProgress, ProgressMeter } from './progress.ts'

export interface FetchRequest {
  readonly resourceId: string
  /** Without it the client's token is shown: that of a pod to which the resource belongs. */
  readonly secret?: Secret | undefined
  /** Files, or folders with all that is in them. Default: everything. */
  readonly paths?: readonly string[] | undefined
  /** The directory below which the files appear. It is made if need be. */
  readonly to: string
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: OnProgress | undefined
}

export interface FetchedResource {
  readonly files: readonly StagedFile[]
  /** Bytes that came over the wire; the rest was there already. */
  readonly fetchedBytes: number
}

/** Transfers at a time. */
const transfersMax = 8
/** One bundle is read rather than single files when at least this part of it is wanted. */
const bundleFractionMin = 0.5

export async function fetchFiles(
  connection: Connection,
  request: FetchRequest,
  retry: RetryOptions,
): Promise<FetchedResource> {
  const { resourceId, secret, signal } = request
  const described = await withRetry(() => manifest(connection, { resourceId, secret, signal }), { ...retry, signal })
  const all = checkedFiles(described)
  const files = select(all, request.paths ?? [])
  await using hasher = new Hasher()
  const target = await FetchTarget.open(request.to, hasher)
  try {
    const wanted = await notThere(target, files, signal)
    const fetchedBytes = sizeOf(wanted)
    const meter = new ProgressMeter('fetching', fetchedBytes, request.onProgress)
    await fetchWanted({ connection, resourceId, secret, signal, retry, target, hasher, meter }, wanted, all)
    return { files, fetchedBytes }
  } finally {
    await target.tidy()
  }
}

async function notThere(
  target: FetchTarget,
  files: readonly StagedFile[],
  signal: AbortSignal | undefined,
): Promise<StagedFile[]> {
  const held = new Set<StagedFile>()
  await forEachLimited(
    files,
    transfersMax,
    async (file, stop) => {
      if (await target.holds(file, stop)) held.add(file)
    },
    signal,
  )
  return files.filter((file) => !held.has(file))
}

async function fetchWanted(flow: FetchFlow, wanted: readonly StagedFile[], all: readonly StagedFile[]): Promise<void> {
  const [small, large] = [isSmall, (file: StagedFile) => !isSmall(file)].map((kind) => wanted.filter(kind))
  const rest = [...(await fetchBundled(flow, small!, all.filter(isSmall).length)), ...large!]
  // Equal bytes under several names share one partial file, so they go one after the other.
  const byDigest = Map.groupBy(rest, (file) => file.digest).values()
  await forEachLimited(
    byDigest,
    transfersMax,
    async (twins, stop) => {
      for (const file of twins) await fetchFile(flow, file, stop)
    },
    flow.signal,
  )
}

/** Reads one bundle as long as most of it is wanted; gives back what is still to be fetched file by file. */
async function fetchBundled(flow: FetchFlow, small: readonly StagedFile[], inBundle: number): Promise<StagedFile[]> {
  const left = new Map(small.map((file) => [file.path, file]))
  const worthIt = (): boolean => left.size > 1 && left.size >= inBundle * bundleFractionMin
  const { connection, resourceId, secret, signal } = flow
  let grew = false
  const bundle = withRetry(
    async () => {
      if (!worthIt()) return
      const before = left.size
      try {
        const response = await openBundle(connection, {
          resourceId,
          secret,
          sizeBytesMax: bundledFileBytesMax,
          signal,
        })
        await readBundle(response.stream, ({ name, sizeBytes }) => {
          const file = left.get(name)
          if (file === undefined) return undefined
          if (sizeBytes !== file.sizeBytes) throw wrongSize(file, sizeBytes)
          const bytes = Buffer.allocUnsafe(sizeBytes)
          let position = 0
          return {
            write: (chunk) => {
              bytes.set(chunk, position)
              position += chunk.length
              return undefined
            },
            end: async () => {
              await flow.target.put(file, bytes)
              flow.meter.add(sizeBytes)
              left.delete(name)
            },
          }
        })
      } finally {
        grew = left.size < before
      }
    },
    { ...flow.retry, signal, attemptsMax: 1, progressed: () => grew },
  )
  await bundle.catch((error: SupercargoError) => {
    if (!error.retry || signal?.aborted) throw error
    // A bundle that did not bring one whole file: single files are smaller steps, and have their own tries.
  })
  return [...left.values()]
}

/** A manifest is outside data: every path is checked before any becomes a file. */
function checkedFiles({ files }: Manifest): readonly StagedFile[] {
  for (const { path } of files) {
    const fault = pathFault(path)
    if (fault !== undefined)
      throw new SupercargoError('unsafe', 'path-escape', `the server names a file ${printable(path)}: ${fault}`)
  }
  const conflict = pathConflict(files.map((file) => file.path))
  if (conflict !== undefined) throw new SupercargoError('corrupt', 'bad-answer', `the files disagree: ${conflict}`)
  return files
}

function select(files: readonly StagedFile[], paths: readonly string[]): readonly StagedFile[] {
  if (paths.length === 0) return files
  const wanted = new Set<StagedFile>()
  for (const path of paths) {
    const folder = path.endsWith('/') ? path : `${path}/`
    const matches = files.filter((file) => file.path === path || file.path.startsWith(folder))
    if (matches.length === 0) {
      throw new SupercargoError('notFound', 'no-such-path', `the resource has no file or folder ${printable(path)}`, {
        hint: `it has ${files
          .slice(0, 5)
          .map((file) => printable(file.path))
          .join(', ')}${files.length > 5 ? ' …' : ''}`,
      })
    }
    for (const file of matches) wanted.add(file)
  }
  return files.filter((file) => wanted.has(file))
}

function wrongSize(file: StagedFile, sizeBytes: number): SupercargoError {
  const text = `${file.path} has ${sizeBytes} bytes in the bundle and ${file.sizeBytes} in the manifest`
  return new SupercargoError('corrupt', 'wrong-size', text)
}

function isSmall(file: StagedFile): boolean {
  return file.sizeBytes <= bundledFileBytesMax
}

function sizeOf(files: readonly StagedFile[]): number {
  return files.reduce((sum, file) => sum + file.sizeBytes, 0)
}
