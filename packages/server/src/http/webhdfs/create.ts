/** CREATE: first the question where to, then the bytes, which appear under their name all at once. */
import { SupercargoError } from '@supercargo/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { NamedFile } from '../../store/name-tree.ts'
import type { Intake, ResourceRecord } from '../../store/store.ts'
import type { TreeShare } from '../../tokens/tree-quota.ts'
import { drainingError } from '../admission.ts'
import { admitUpload, contentLength, limitOr } from '../arrival.ts'
import { receiveBody } from '../receive-body.ts'
import { livingEntry, noSuchFile, type Operating, placeAsked, releaseFiles } from './operations.ts'
import { claimsIn, ownersOf } from './ownership.ts'
import { isSecondStep, sendRedirect } from './redirect.ts'
import { type HadoopRequest, isTrue, type OpenPlace } from './request.ts'

/** A body that is refused is read and dropped up to this, because Hadoop's client sends all of it before it reads why. */
const refusedBytesMax = 4 * 2 ** 30

interface Wish {
  readonly overwrite: boolean
  readonly makeParents: boolean
}

export async function create(operating: Operating, request: FastifyRequest): Promise<FastifyReply> {
  const wish = wishOf(operating.asked)
  if (isSecondStep(operating.asked)) return receive(operating, request, wish)
  const { edge, door, reply } = operating
  const place = await checked(operating, wish)
  // What would be refused later is refused here, before a byte is sent.
  if (edge.admission.draining) throw drainingError()
  edge.admission.enter()()
  const share = await door.quotas.enter(place, place.token?.bytesMax ?? 0)
  share.release()
  return sendRedirect(edge, request, reply)
}

async function receive(operating: Operating, request: FastifyRequest, wish: Wish): Promise<FastifyReply> {
  const { edge, door, reply } = operating
  const bytesMax = Math.min(limitOr(edge.limits.fileBytesMax), limitOr(edge.limits.resourceBytesMax))
  let arrival: ReturnType<typeof admitUpload> | undefined
  let intake: Intake | undefined
  let share: TreeShare | undefined
  try {
    const place = await checked(operating, wish)
    arrival = admitUpload(edge, request, reply, bytesMax)
    share = await door.quotas.enter(place, place.token?.bytesMax ?? 0)
    const expectedBytes = contentLength(request)
    intake = await edge.store.intake(expectedBytes === 0 ? undefined : expectedBytes)
    intake.bindNamespace(place.namespace)
    const { maxAgeMs } = door
    const { owners, notes } = ownersOf(place.namespace, place.path, intake.id, maxAgeMs)
    const name = place.path.slice(place.path.lastIndexOf('/') + 1)
    const writer = await intake.file(name, undefined)
    const room = share
    const signal = arrival.begin()
    await receiveBody(
      request.raw,
      (chunk) => {
        const wait = room.take(chunk.length)
        return wait === undefined ? writer.write(chunk) : wait.then(() => writer.write(chunk))
      },
      { signal, bytesMax },
    )
    const receivedMs = edge.clock.monotonic()
    const { digest, sizeBytes } = await writer.commit()
    const principal = place.token === undefined ? undefined : `staging token ${place.token.name}`
    const record = await intake.commit(owners, 'webhdfs', { ...notes, principal })
    request.exchange.resourceId = record.id
    const file = { resourceId: record.id, file: name, sizeBytes, digest, modifiedMs: edge.clock.now() }
    const replaced = await giveName(operating, place, file, wish, record)
    edge.metrics.committed(edge.clock.monotonic() - receivedMs)
    share.settle(replaced?.sizeBytes ?? 0)
    if (replaced !== undefined) await releaseFiles(operating, [replaced])
    return reply.code(201).send()
  } catch (error) {
    share?.release()
    await intake?.abort()
    if (mayHear(operating, error)) await dropBody(operating, request)
    throw error
  } finally {
    arrival?.end()
  }
}

/** Without its name nobody finds it, so then it goes at once. */
async function giveName(
  operating: Operating,
  place: OpenPlace,
  file: NamedFile,
  wish: Wish,
  record: ResourceRecord,
): Promise<NamedFile | undefined> {
  try {
    return await operating.door.names.put(place, file, wish)
  } catch (error) {
    await operating.edge.store.release(record.id).catch(() => undefined) // Its age ends it otherwise.
    throw error
  }
}

/** The place, after everything that can be said without the bytes. */
async function checked(operating: Operating, { overwrite, makeParents }: Wish): Promise<OpenPlace> {
  const place = await placeAsked(operating, 'write')
  claimsIn(place.path)
  const standing = await livingEntry(operating, place)
  if (standing?.type === 'directory' || place.path === '') {
    throw new SupercargoError('conflict', 'is-a-directory', 'this is a directory', { hint: 'name a file in it' })
  }
  if (standing !== undefined && !overwrite) {
    throw new SupercargoError('conflict', 'name-taken', 'there is a file of this name already', {
      hint: 'choose another name, remove it first, or overwrite it (-f)',
    })
  }
  const slash = place.path.lastIndexOf('/')
  for (let end = slash; end > 0; end = place.path.lastIndexOf('/', end - 1)) {
    const parent = await operating.door.names.look({ ...place, path: place.path.slice(0, end) })
    if (parent?.type === 'file') {
      throw new SupercargoError('conflict', 'not-a-directory', 'a file stands where a directory is needed', {
        hint: 'choose another directory, or remove the file',
      })
    }
    if (parent === undefined && end === slash && !makeParents) throw noSuchFile()
    if (parent !== undefined) break
  }
  return place
}

function wishOf(asked: HadoopRequest): Wish {
  const flags = (asked.parameters.get('createflag') ?? '').toLowerCase().split(',')
  if (flags.includes('append')) {
    throw new SupercargoError('invalid', 'unsupported-operation', 'nothing can be appended to a file here', {
      hint: 'write it anew',
    })
  }
  return {
    overwrite: isTrue(asked, 'overwrite') || flags.includes('overwrite'),
    makeParents: isTrue(asked, 'createparent', true),
  }
}

/** Whether the sender goes on sending, and there is time to let it. */
function mayHear({ edge }: Operating, error: unknown): boolean {
  return !edge.admission.draining && !(SupercargoError.is(error) && error.kind === 'interrupted')
}

async function dropBody({ edge }: Operating, request: FastifyRequest): Promise<void> {
  if (request.raw.complete || request.raw.destroyed) return
  if (request.headers.expect !== undefined && !request.exchange.continued) return
  const watched = edge.bodyWatch.watch(request.raw)
  try {
    await receiveBody(request.raw, () => undefined, { signal: watched.signal, bytesMax: refusedBytesMax })
  } catch {
    // The reason that the sender gets is the first one, if it still listens.
  } finally {
    watched.close()
  }
}
