/** POST /api/v1/resources in its three forms: a list of files whose blobs follow, or everything at once as form or tar. */
import {
  createRequestSchema,
  mediaTypes,
  namespaceOf,
  type Owner,
  ownersSchema,
  parseJson,
  parseWith,
  pathConflict,
  pathFault,
  printable,
  SupercargoError,
} from '@supercargo/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Identity } from '../auth/authorizer.ts'
import type { BlobWriter, Intake } from '../store/store.ts'
import { drainingError } from './admission.ts'
import { admitUpload, contentLength, limitOr, mediaTypeOf, readJson } from './arrival.ts'
import { identifyCaller, mayStage } from './caller.ts'
import { createCommitQueue } from './commit-queue.ts'
import type { Edge } from './edge.ts'
import { mediaTypeError, sendJson } from './problem.ts'
import { readArchive } from './read-archive.ts'
import { checkForm, readForm } from './read-form.ts'

const ownerBytesMax = 64 << 10
/** One file's entry in JSON: a path of 1024 bytes, a digest, a size, escapes. Its head in a form or tar takes no more. */
const fileEntryBytesMax = 1536
const jsonBytesMin = 256 << 10

export async function createResource(edge: Edge, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const mediaType = mediaTypeOf(request)
  if (mediaType === mediaTypes.json) return createFromList(edge, request, reply)
  if (mediaType === mediaTypes.multipart || mediaType === mediaTypes.tar) return createAtOnce(edge, request, reply)
  throw mediaTypeError([mediaTypes.json, mediaTypes.multipart, mediaTypes.tar])
}

/** What may surround the bytes of files: heads, names, padding. */
export function framingBytesMax(edge: Edge): number {
  return jsonBytesMin + limitOr(edge.limits.filesPerResourceMax, 100_000) * fileEntryBytesMax
}

async function createFromList(edge: Edge, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  if (edge.admission.draining) throw drainingError()
  const caller = await identifyCaller(edge, request)
  const json = await readJson(edge, request, reply, framingBytesMax(edge))
  const { owner, files } = parseWith(createRequestSchema, json, 'the request')
  await mayStage(edge, request, caller, owner)
  const opened = await edge.store.create({ owners: owner, files, principal: caller?.username })
  request.exchange.resourceId = opened.id
  return sendJson(reply, 201, {
    resourceId: opened.id,
    resourceSecret: opened.secret.reveal(),
    missing: opened.missing,
    expiresAt: new Date(opened.expiresAtMs).toISOString(),
  })
}

/** Receives files whose names, sizes and owner are found out on the way; nothing is visible before the one commit. */
async function createAtOnce(edge: Edge, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const framing = framingBytesMax(edge)
  const bytesMax = limitOr(edge.limits.resourceBytesMax) + framing
  const isTar = mediaTypeOf(request) === mediaTypes.tar
  if (!isTar) checkForm(request)
  const given = isTar ? ownerBesideBody(request) : undefined
  const caller = await identifyCaller(edge, request)
  if (given !== undefined) await mayStage(edge, request, caller, given)
  const arrival = admitUpload(edge, request, reply, bytesMax)
  let intake: Intake | undefined
  try {
    // What framing takes of it is not known, so the least that it can be is reserved; the rest follows as it comes.
    const expectedBytes = Math.max(0, contentLength(request) - (isTar ? 10 << 10 : 64 << 10))
    intake = await edge.store.intake(expectedBytes === 0 ? undefined : expectedBytes)
    if (given !== undefined) intake.bindNamespace(namespaceOf(given))
    const signal = arrival.begin()
    const files = new ArrivingFiles(edge, intake)
    const owners = isTar
      ? await takeArchive(request, { signal, bytesMax }, files, given!)
      : await takeForm(edge, request, { signal, caller }, files, intake)
    const receivedMs = edge.clock.monotonic()
    files.check()
    const record = await intake.commit(owners, 'v1', { principal: caller?.username })
    edge.metrics.committed(edge.clock.monotonic() - receivedMs)
    request.exchange.resourceId = record.id
    return sendJson(reply, 201, { resourceId: record.id, resourceSecret: intake.secret.reveal(), files: record.files })
  } catch (error) {
    await intake?.abort()
    throw error
  } finally {
    arrival.end()
  }
}

async function takeArchive(
  request: FastifyRequest,
  options: { readonly signal: AbortSignal; readonly bytesMax: number },
  files: ArrivingFiles,
  owners: readonly Owner[],
): Promise<readonly Owner[]> {
  const commits = createCommitQueue()
  try {
    await readArchive(request.raw, options, async ({ path, sizeBytes }) => {
      const writer = await files.open(path, sizeBytes)
      return { write: (chunk) => writer.write(chunk), end: () => commits.add(writer.commit()) }
    })
  } finally {
    await commits.settle()
  }
  return owners
}

async function takeForm(
  edge: Edge,
  request: FastifyRequest,
  { signal, caller }: { readonly signal: AbortSignal; readonly caller: Identity | undefined },
  files: ArrivingFiles,
  intake: Intake,
): Promise<readonly Owner[]> {
  const partsMax = limitOr(edge.limits.filesPerResourceMax, 100_000) + 1
  const fileBytesMax = limitOr(edge.limits.fileBytesMax)
  let owners: readonly Owner[] | undefined
  await readForm(request, { signal, partsMax }, async (part) => {
    if (part.name === 'owner') {
      if (owners !== undefined)
        throw new SupercargoError('invalid', 'duplicate-part', 'the part "owner" is there twice')
      owners = parseOwners(await part.text(ownerBytesMax), 'the part "owner"')
      await mayStage(edge, request, caller, owners)
      intake.bindNamespace(namespaceOf(owners))
      return
    }
    if (part.name !== 'file') {
      throw new SupercargoError(
        'invalid',
        'unknown-part',
        `the part ${printable(String(part.name))} has no meaning here`,
        {
          hint: 'name the parts "owner" (JSON) and "file" (as often as there are files)',
        },
      )
    }
    if (part.filename === undefined || part.filename === '') {
      throw new SupercargoError(
        'invalid',
        'missing-filename',
        'a part "file" has no filename: it becomes the path in the resource',
      )
    }
    if (owners === undefined && caller !== undefined) {
      throw new SupercargoError('invalid', 'owner-first', 'a file came before the part "owner"', {
        hint: 'send the owner first: it says in which namespace you stage, and whether you may',
      })
    }
    const writer = await files.open(part.filename, undefined)
    await part.receive((chunk) => writer.write(chunk), fileBytesMax)
    await writer.commit()
  })
  if (owners === undefined) throw new SupercargoError('invalid', 'missing-part', 'the part "owner" is missing')
  if (files.count === 0) throw new SupercargoError('invalid', 'missing-part', 'there is no part "file"')
  return owners
}

/** The files of one intake, with the checks that a list would have got at once. */
class ArrivingFiles {
  readonly #edge: Edge
  readonly #intake: Intake
  readonly #paths: string[] = []

  constructor(edge: Edge, intake: Intake) {
    this.#edge = edge
    this.#intake = intake
  }

  get count(): number {
    return this.#paths.length
  }

  open(path: string, sizeBytes: number | undefined): Promise<BlobWriter> {
    const fault = pathFault(path)
    if (fault !== undefined)
      throw new SupercargoError('unsafe', 'unsafe-path', `the path ${printable(path)} is refused: ${fault}`)
    const { filesPerResourceMax } = this.#edge.limits
    if (this.#paths.push(path) > limitOr(filesPerResourceMax)) {
      throw new SupercargoError('tooLarge', 'too-many-files', `a resource has at most ${filesPerResourceMax} files`, {
        context: { filesPerResourceMax },
      })
    }
    return this.#intake.file(path, sizeBytes)
  }

  check(): void {
    const conflict = pathConflict(this.#paths)
    if (conflict !== undefined) throw new SupercargoError('invalid', 'path-conflict', `the files disagree: ${conflict}`)
  }
}

/** A tar has no place for its owner: it comes as JSON in a header or in the query. */
function ownerBesideBody(request: FastifyRequest): readonly Owner[] {
  const header = request.headers['supercargo-owner']
  const { owner } = request.query as { owner?: unknown }
  const text = typeof header === 'string' ? header : owner
  if (typeof text !== 'string') {
    throw new SupercargoError('invalid', 'missing-owner', 'the owner is missing', {
      hint: 'send it as JSON in the header Supercargo-Owner or the query parameter owner',
    })
  }
  return parseOwners(text, 'the owner')
}

function parseOwners(text: string, what: string): readonly Owner[] {
  return parseWith(ownersSchema, parseJson(text, what), what, 'bad-owner')
}
