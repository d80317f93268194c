/** Staging: local files become a committed resource, with only what the server lacks on the wire, or nothing is left of it. */
import {
  commitResponseSchema,
  createResponseSchema,
  type Owner,
  routes,
  Secret,
  type StagedFile,
  SupercargoError,
} from '@supercargo/protocol'
import { abortReason, type RetryOptions, withRetry } from '@supercargo/transfer'
import type { Connection } from './connection.ts'
import { type HashedFile, hashFiles } from './hash-files.ts'
import { release } from './inspect.ts'
import { type OnProgress, ProgressMeter } from './progress.ts'
import { sendBlobs, type Upload } from './send-blobs.ts'
import { type LocalPath, walk } from './walk.ts'

export interface StageRequest {
  readonly owner: Owner | readonly Owner[]
  readonly files: readonly LocalPath[]
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: OnProgress | undefined
}

export interface StagedResource {
  readonly resourceId: string
  readonly resourceSecret: Secret
  readonly files: readonly StagedFile[]
  /** Bytes of files that the server lacked; the rest it had already. */
  readonly sentBytes: number
}

/** Blobs that a commit misses are sent again this often: they can vanish only if something deletes them as they come. */
const commitRoundsMax = 3
/** For the request that drops an upload which failed; when it does not get through, the server drops it later by itself. */
const abandonTimeoutMs = 2000

/** Resolves when the resource is durable on the server. When it rejects, the unfinished upload has been dropped if that was possible. */
export async function stage(
  connection: Connection,
  request: StageRequest,
  retry: RetryOptions,
): Promise<StagedResource> {
  const { signal, onProgress } = request
  const hashed = await hashFiles(walk(request.files, signal), new ProgressMeter('hashing', 0, onProgress), signal)
  if (hashed.length === 0)
    throw new SupercargoError('invalid', 'nothing-to-stage', 'there is no file in what is to be staged')
  const files = hashed.map(({ path, sizeBytes, digest }) => ({ path, sizeBytes, digest }))
  const created = await withRetry(
    () =>
      connection.json(createResponseSchema, {
        method: 'POST',
        path: routes.v1.resources,
        send: { owner: request.owner, files },
        signal,
        expect: [201],
      }),
    { ...retry, signal },
  )
  const secret = new Secret(created.resourceSecret)
  const lacking = oneFileForEach(created.missing, hashed)
  const sentBytes = lacking.reduce((sum, file) => sum + file.sizeBytes, 0)
  const upload: Upload = {
    connection,
    id: created.resourceId,
    secret,
    retry,
    meter: new ProgressMeter('sending', sentBytes, onProgress),
    stillMissing: async (stop) => new Set(await commit(connection, created.resourceId, secret, stop)),
  }
  try {
    await sendAndCommit(upload, lacking, hashed, signal)
    if (signal?.aborted) throw abortReason(signal)
  } catch (error) {
    await release(connection, {
      resourceId: created.resourceId,
      secret,
      signal: AbortSignal.timeout(abandonTimeoutMs),
    }).catch(() => {
      // Best effort: an upload to which nothing arrives is dropped by the server, and the first failure is the one to report.
    })
    throw error
  }
  return { resourceId: created.resourceId, resourceSecret: secret, files, sentBytes }
}

async function sendAndCommit(
  upload: Upload,
  first: readonly HashedFile[],
  hashed: readonly HashedFile[],
  signal: AbortSignal | undefined,
): Promise<void> {
  let lacking = first
  for (let round = 1; ; round++) {
    await sendBlobs(upload, lacking, signal)
    const missing = await withRetry(() => commit(upload.connection, upload.id, upload.secret, signal), {
      ...upload.retry,
      signal,
    })
    if (missing.length === 0) return
    if (round === commitRoundsMax) {
      throw new SupercargoError('internal', 'never-complete', 'the server keeps losing blobs that it has taken', {
        context: { missing: missing.slice(0, 10) },
      })
    }
    lacking = oneFileForEach(missing, hashed)
  }
}

/** Commits, or says which digests are not there. Repeated after a lost answer it succeeds again. */
async function commit(
  connection: Connection,
  id: string,
  secret: Secret,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  try {
    await connection.json(commitResponseSchema, {
      method: 'POST',
      path: routes.v1.commit(id),
      secret,
      signal,
      expect: [200],
    })
    return []
  } catch (error) {
    const missing = SupercargoError.is(error) && error.kind === 'conflict' ? error.context.missing : undefined
    if (!Array.isArray(missing) || missing.length === 0) throw error
    return missing as readonly string[]
  }
}

function oneFileForEach(digests: readonly string[], hashed: readonly HashedFile[]): HashedFile[] {
  const byDigest = new Map(hashed.map((file) => [file.digest as string, file]))
  return digests.map((digest) => {
    const file = byDigest.get(digest)
    if (file !== undefined) return file
    throw new SupercargoError('corrupt', 'bad-answer', `the server asks for ${digest}, which is none of the files`)
  })
}
