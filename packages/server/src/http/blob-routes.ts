/** The small blobs of an open upload in one tar, each entry named by its digest and committed as it completes. */
import { type Digest, isDigest, mediaTypes, printable, routes, SupercargoError } from '@supercargo/protocol'
import type { EntrySink } from '@supercargo/transfer'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { BlobWriter, UploadRecord } from '../store/store.ts'
import { admitUpload, limitOr, mediaTypeOf } from './arrival.ts'
import { createCommitQueue } from './commit-queue.ts'
import { framingBytesMax } from './create-resource.ts'
import type { Edge } from './edge.ts'
import { authorizedResource } from './find-resource.ts'
import { mediaTypeError, sendJson } from './problem.ts'
import { type ArchiveFile, readArchive } from './read-archive.ts'
import { keepPrefix, skipping } from './write-rest.ts'

export function registerBlobRoutes(app: FastifyInstance, edge: Edge): void {
  app.post(`${routes.v1.resources}/:id/blobs`, (request, reply) => receiveBlobs(edge, request, reply))
}

async function receiveBlobs(edge: Edge, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  if (mediaTypeOf(request) !== mediaTypes.tar) throw mediaTypeError([mediaTypes.tar])
  const { upload } = await authorizedResource(edge, request)
  if (upload === undefined)
    throw new SupercargoError('conflict', 'committed-already', 'the resource is committed and takes no more bytes')
  const bytesMax = limitOr(edge.limits.resourceBytesMax) + framingBytesMax(edge)
  const arrival = admitUpload(edge, request, reply, bytesMax)
  const blobs = new ArrivingBlobs(edge, upload)
  try {
    const signal = AbortSignal.any([arrival.begin(), blobs.signal])
    try {
      await readArchive(request.raw, { signal, bytesMax }, (file) => blobs.open(file))
    } catch (error) {
      await blobs.giveUp(error)
      throw error
    }
    const receivedMs = edge.clock.monotonic()
    const received = await blobs.settle()
    edge.metrics.committed(edge.clock.monotonic() - receivedMs)
    return sendJson(reply, 200, { received })
  } finally {
    arrival.end()
  }
}

class ArrivingBlobs {
  readonly #edge: Edge
  readonly #upload: UploadRecord
  readonly #sizes: ReadonlyMap<string, number>
  readonly #received: Digest[] = []
  readonly #commits = createCommitQueue()
  readonly #takenOver = new AbortController()
  /** The one whose bytes are arriving. */
  #current: BlobWriter | undefined

  constructor(edge: Edge, upload: UploadRecord) {
    this.#edge = edge
    this.#upload = upload
    this.#sizes = new Map(upload.files.map((file) => [file.digest, file.sizeBytes]))
  }

  /** Aborts when another request takes over the blob whose bytes are arriving, or the upload ends. */
  get signal(): AbortSignal {
    return this.#takenOver.signal
  }

  async open({ path, sizeBytes }: ArchiveFile): Promise<EntrySink | undefined> {
    const declared = this.#sizes.get(path)
    if (!isDigest(path) || declared === undefined) {
      throw new SupercargoError('invalid', 'unknown-blob', `the upload names no blob ${printable(path)}`, {
        hint: 'entries are named sha256:<64 hex digits>',
      })
    }
    if (declared !== sizeBytes) {
      throw new SupercargoError(
        'invalid',
        'size-mismatch',
        `the blob ${path} has ${declared} bytes, its entry has ${sizeBytes}`,
      )
    }
    const writer = await this.#edge.store.writeBlob(this.#upload.id, path, (reason) => this.#takenOver.abort(reason))
    this.#received.push(path)
    this.#current = writer
    return {
      write: skipping(writer, writer.offset),
      end: () => {
        this.#current = undefined
        return this.#commits.add(writer.commit())
      },
    }
  }

  /** All of them, once every commit has succeeded. */
  async settle(): Promise<readonly Digest[]> {
    await this.#commits.settle()
    return this.#received
  }

  /** What is complete stays; of the one under way, the beginning. */
  async giveUp(failure: unknown): Promise<void> {
    if (this.#current !== undefined) await keepPrefix(this.#current, failure)
    // The failure that is reported is the one that ended the reading; that of a commit has reached it already.
    await this.#commits.settle().catch(() => undefined)
  }
}
