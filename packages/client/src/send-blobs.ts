/** What the server lacks, sent: small blobs as one bundle, each large one resumable and with a connection of its own. */
import {
  blobsResponseSchema,
  bundledFileBytesMax,
  headers,
  mediaTypes,
  routes,
  type Secret,
  SupercargoError,
} from '@supercargo/protocol'
import { bundleBytes, forEachLimited, packBundle, type RetryOptions, withRetry } from '@supercargo/transfer'
import type { Connection } from './connection.ts'
import type { HashedFile } from './hash-files.ts'
import type { ProgressMeter } from './progress.ts'
import { bundleEntries, sendFrom } from './read-files.ts'
import { fileChanged } from './walk.ts'

/** Large blobs at a time; the bundle goes beside them. */
const largeBlobsMax = 4

/** An upload that the server has opened. */
export interface Upload {
  readonly connection: Connection
  readonly id: string
  readonly secret: Secret
  readonly meter: ProgressMeter
  readonly retry: RetryOptions
  /** Digests that the server says are still not there; empty when the upload is committed. */
  stillMissing(signal: AbortSignal): Promise<ReadonlySet<string>>
}

/** Sends one blob for each of these files, which differ in their digests. */
export async function sendBlobs(upload: Upload, files: readonly HashedFile[], signal?: AbortSignal): Promise<void> {
  const small = files.filter((file) => file.sizeBytes <= bundledFileBytesMax)
  const large = files.filter((file) => file.sizeBytes > bundledFileBytesMax)
  const jobs = [
    ...(small.length === 0 ? [] : [(stop: AbortSignal) => sendBundle(upload, small, stop)]),
    ...large.map((file) => (stop: AbortSignal) => sendLarge(upload, file, stop)),
  ]
  await forEachLimited(jobs, largeBlobsMax + (small.length === 0 ? 0 : 1), (job, stop) => job(stop), signal)
}

/** After a failure the server is asked what it still lacks, and only that is sent again. */
async function sendBundle(upload: Upload, files: readonly HashedFile[], signal: AbortSignal): Promise<void> {
  let rest = files
  let grew = false
  await withRetry(
    async () => {
      grew = false
      let counted = 0
      try {
        await postBundle(upload, rest, signal, (bytes) => {
          counted += bytes
          upload.meter.add(bytes)
        })
      } catch (error) {
        if (!SupercargoError.is(error) || !error.retry || signal.aborted) throw blamed(error, rest)
        const missing = await upload.stillMissing(signal).catch(() => {
          // The failure of the bundle is the one to report; without an answer, everything counts as missing.
          return undefined
        })
        const left = missing === undefined ? rest : rest.filter((file) => missing.has(file.digest))
        grew = left.length < rest.length
        upload.meter.add(sizeOf(rest) - sizeOf(left) - counted)
        rest = left
        if (rest.length > 0) throw error
      }
    },
    { ...upload.retry, signal, progressed: () => grew },
  )
}

async function postBundle(
  upload: Upload,
  files: readonly HashedFile[],
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<void> {
  await upload.connection.json(blobsResponseSchema, {
    method: 'POST',
    path: routes.v1.blobs(upload.id),
    headers: {
      'content-type': mediaTypes.tar,
      'content-length': bundleBytes(files.map((file) => file.sizeBytes)),
    },
    body: packBundle(bundleEntries(files, onBytes)),
    secret: upload.secret,
    signal,
    expect: [200],
  })
}

/** After a failure the server is asked how far it came, and the rest follows. */
async function sendLarge(upload: Upload, file: HashedFile, signal: AbortSignal): Promise<void> {
  let held: Held | undefined = { offset: 0, complete: false }
  let counted = 0
  let grew = false
  const count = (position: number): void => {
    upload.meter.add(position - counted)
    counted = position
  }
  await withRetry(
    async () => {
      const from: Held = held ?? (await askHeld(upload, file, signal))
      grew = false
      held = undefined
      count(from.offset)
      if (from.complete) return
      try {
        await putBlob(upload, file, from.offset, signal, (bytes) => count(counted + bytes))
      } catch (error) {
        if (!SupercargoError.is(error) || !error.retry || signal.aborted) throw blamed(error, [file])
        held = await askHeld(upload, file, signal).catch(() => {
          // The failure of the transfer is the one to report; the next try asks again.
          return undefined
        })
        grew = held !== undefined && held.offset > from.offset
        if (held?.complete !== true) throw error
        count(file.sizeBytes)
      }
    },
    { ...upload.retry, signal, progressed: () => grew },
  )
}

async function putBlob(
  upload: Upload,
  file: HashedFile,
  from: number,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const response = await upload.connection.run({
    method: 'PUT',
    path: routes.v1.blob(upload.id, file.digest),
    headers: {
      'content-type': from === 0 ? mediaTypes.bytes : mediaTypes.partialUpload,
      'content-length': file.sizeBytes - from,
      [headers.uploadOffset]: String(from),
      [headers.uploadLength]: String(file.sizeBytes),
      [headers.uploadComplete]: '?1',
      // What the server said may be older than what it still took in: it looks before the body is sent.
      ...(from === 0 || from === file.sizeBytes ? {} : { expect: '100-continue' }),
    },
    body: sendFrom(file, from, onBytes),
    secret: upload.secret,
    signal,
    expect: [200, 201, 204, 409],
  })
  if (response.status === 409) {
    const text = `the server holds another number of bytes of ${file.path} than it said`
    throw new SupercargoError('interrupted', 'offset-differs', text)
  }
}

interface Held {
  /** Bytes that the server holds. All of them and not yet complete: an empty transfer at the end makes it settle the blob. */
  readonly offset: number
  readonly complete: boolean
}

async function askHeld(upload: Upload, file: HashedFile, signal: AbortSignal): Promise<Held> {
  const { headers: fields } = await upload.connection.run({
    method: 'HEAD',
    path: routes.v1.blob(upload.id, file.digest),
    secret: upload.secret,
    signal,
    expect: [200, 204],
  })
  if (fields[headers.uploadComplete] === '?1') return { offset: file.sizeBytes, complete: true }
  const offset = Number(fields[headers.uploadOffset] ?? 0)
  const usable = Number.isSafeInteger(offset) && offset >= 0 && offset <= file.sizeBytes
  return { offset: usable ? offset : 0, complete: false }
}

/** A digest that the server finds to be wrong means that the file is no longer what was hashed. */
function blamed(error: unknown, files: readonly HashedFile[]): unknown {
  if (!SupercargoError.is(error) || error.kind !== 'corrupt' || error.code === 'file-changed') return error
  const named = files.length === 1 ? files[0] : files.find((file) => error.message.includes(file.digest))
  return named === undefined ? error : fileChanged(named.source, error)
}

function sizeOf(files: readonly HashedFile[]): number {
  return files.reduce((sum, file) => sum + file.sizeBytes, 0)
}
