/** The operations of WebHDFS that read and change names: what is there, made, moved, removed. */
import { SupercargoError } from '@supercargo/protocol'
import { forEachLimited } from '@supercargo/transfer'
import type { FastifyReply } from 'fastify'
import type { ListedName, NamedFile, NameEntry, NamePlace } from '../../store/name-tree.ts'
import type { Edge } from '../edge.ts'
import type { FrontDoor } from './front-door.ts'
import { claimsIn } from './ownership.ts'
import { sendHadoopJson } from './remote-exception.ts'
import {
  expectPlace,
  type HadoopRequest,
  isTrue,
  namesOfPath,
  type OpenPlace,
  placeOf,
  wholeNumber,
} from './request.ts'
import { blockLocations, fileStatus, serverDefaults } from './status.ts'

export interface Operating {
  readonly edge: Edge
  readonly door: FrontDoor
  readonly reply: FastifyReply
  readonly asked: HadoopRequest
}

type Operation = (operating: Operating) => Promise<FastifyReply>

/** Entries of one answer to LISTSTATUS_BATCH. */
const batchEntries = 1000
/** Records looked at together while a directory is listed. */
const parallelLooks = 8

/** By method and name. What is not here, and neither OPEN nor CREATE, is refused. */
export const nameOperations: Readonly<Record<string, Operation>> = {
  'GET GETFILESTATUS': getFileStatus,
  'GET LISTSTATUS': listStatus,
  'GET LISTSTATUS_BATCH': listBatch,
  'GET GETCONTENTSUMMARY': contentSummary,
  'GET GETFILEBLOCKLOCATIONS': fileBlockLocations,
  'GET CHECKACCESS': checkAccess,
  'GET GETHOMEDIRECTORY': async ({ reply }) => sendHadoopJson(reply, 200, { Path: '/' }),
  'GET GETSERVERDEFAULTS': async ({ reply }) => sendHadoopJson(reply, 200, serverDefaults),
  'PUT MKDIRS': makeDirectories,
  'PUT RENAME': rename,
  'DELETE DELETE': remove,
}

/** The place that the path names, for whom it names. */
export async function placeAsked({ edge, door, asked }: Operating, purpose: 'read' | 'write'): Promise<OpenPlace> {
  return expectPlace(await placeOf(door, asked.names, purpose, edge.clock.now()), door)
}

/** What has this name and is there: a name whose resource was collected is taken away and counts as absent. */
export async function livingEntry({ edge, door }: Operating, place: NamePlace): Promise<NameEntry | undefined> {
  const entry = await door.names.look(place)
  if (entry?.type !== 'file' || (await edge.store.read(entry.resourceId)) !== undefined) return entry
  await door.names.forget(place, entry.resourceId)
  return undefined
}

export function noSuchFile(): SupercargoError {
  return new SupercargoError('notFound', 'no-such-file', 'there is no such file or directory', {
    hint: 'a file that nobody uses any more is collected; upload it again',
  })
}

/** Frees what names led to. A resource that cannot be released now is collected by its age. */
export async function releaseFiles({ edge }: Operating, files: readonly NamedFile[]): Promise<void> {
  await forEachLimited(files, parallelLooks, async ({ resourceId }) => {
    await edge.store.release(resourceId).catch((error: unknown) => {
      edge.log.warn({ error, resourceId }, 'a file without a name could not be released')
    })
  })
}

async function getFileStatus(operating: Operating): Promise<FastifyReply> {
  const { edge, door, asked, reply } = operating
  const place = await placeOf(door, asked.names, 'read', edge.clock.now())
  const entry = place === undefined ? topDirectory : await livingEntry(operating, place)
  if (entry === undefined) throw noSuchFile()
  return sendHadoopJson(reply, 200, { FileStatus: fileStatus(entry, '') })
}

async function listStatus(operating: Operating): Promise<FastifyReply> {
  const statuses = (await entriesAt(operating)).map(({ name, entry }) => fileStatus(entry, name))
  return sendHadoopJson(operating.reply, 200, { FileStatuses: { FileStatus: statuses } })
}

async function listBatch(operating: Operating): Promise<FastifyReply> {
  const startAfter = operating.asked.parameters.get('startafter') ?? ''
  const left = (await entriesAt(operating)).filter(({ name }) => startAfter === '' || name > startAfter)
  const page = left.slice(0, batchEntries).map(({ name, entry }) => fileStatus(entry, name))
  const remainingEntries = left.length - page.length
  const partialListing = { FileStatuses: { FileStatus: page } }
  return sendHadoopJson(operating.reply, 200, { DirectoryListing: { partialListing, remainingEntries } })
}

/** A file lists itself, under an empty name. */
async function entriesAt(operating: Operating): Promise<readonly ListedName[]> {
  const { edge, door } = operating
  const place = await placeAsked(operating, 'read')
  const entry = await livingEntry(operating, place)
  if (entry === undefined) throw noSuchFile()
  if (entry.type === 'file') return [{ name: '', entry }]
  const listed = (await door.names.list(place)) ?? []
  const gone = new Set<string>()
  await forEachLimited(listed, parallelLooks, async ({ name, entry }) => {
    if (entry.type === 'file' && (await edge.store.read(entry.resourceId)) === undefined) gone.add(name)
  })
  return listed.filter(({ name }) => !gone.has(name))
}

async function contentSummary(operating: Operating): Promise<FastifyReply> {
  const { door, reply } = operating
  const place = await placeAsked(operating, 'read')
  const entry = await livingEntry(operating, place)
  if (entry === undefined) throw noSuchFile()
  let [directoryCount, fileCount, length] = [entry.type === 'directory' ? 1 : 0, 0, 0]
  if (entry.type === 'file') [fileCount, length] = [1, entry.sizeBytes]
  else {
    for await (const { entry } of door.names.below(place)) {
      if (entry.type === 'directory') directoryCount++
      else {
        fileCount++
        length += entry.sizeBytes
      }
    }
  }
  const summary = { directoryCount, fileCount, length, quota: -1, spaceConsumed: length, spaceQuota: -1 }
  return sendHadoopJson(reply, 200, { ContentSummary: summary })
}

async function fileBlockLocations(operating: Operating): Promise<FastifyReply> {
  const entry = await livingEntry(operating, await placeAsked(operating, 'read'))
  if (entry === undefined) throw noSuchFile()
  const offset = wholeNumber(operating.asked, 'offset', 0)
  const length = wholeNumber(operating.asked, 'length', Number.MAX_SAFE_INTEGER)
  const locations =
    entry.type === 'file' ? blockLocations(entry, offset, length) : { BlockLocations: { BlockLocation: [] } }
  return sendHadoopJson(operating.reply, 200, locations)
}

async function checkAccess(operating: Operating): Promise<FastifyReply> {
  const wish = operating.asked.parameters.get('fsaction') ?? ''
  const place = await placeAsked(operating, wish.includes('w') ? 'write' : 'read')
  if ((await livingEntry(operating, place)) === undefined) throw noSuchFile()
  return operating.reply.code(200).send()
}

async function makeDirectories(operating: Operating): Promise<FastifyReply> {
  const place = await placeAsked(operating, 'write')
  claimsIn(`${place.path}/`)
  await livingEntry(operating, place)
  await operating.door.names.makeDirectory(place)
  return sendHadoopJson(operating.reply, 200, { boolean: true })
}

async function remove(operating: Operating): Promise<FastifyReply> {
  const { door, asked, reply } = operating
  const place = await placeAsked(operating, 'write')
  const removed = await door.names.remove(place, isTrue(asked, 'recursive'))
  if (removed !== undefined) {
    door.quotas.forget(place)
    await releaseFiles(operating, removed)
  }
  return sendHadoopJson(reply, 200, { boolean: removed !== undefined })
}

/**
 * By the rules of HDFS: into a directory that is there, and `false` where it cannot be, save that a newer client (one with
 * `renameoptions`) gets the reason.
 */
async function rename(operating: Operating): Promise<FastifyReply> {
  const { edge, door, asked, reply } = operating
  const from = await placeAsked(operating, 'write')
  const target = namesOfPath(asked.parameters.get('destination') ?? '')
  const to = expectPlace(await placeOf(door, target, 'write', edge.clock.now()), door)
  if (to.namespace !== from.namespace || to.tree !== from.tree) {
    throw new SupercargoError(
      'denied',
      'other-tree',
      'a file stays with the namespace and the token that it came with',
      {
        hint: 'copy it, and remove it here',
      },
    )
  }
  const modern = asked.parameters.has('renameoptions')
  const overwrite = modern && asked.parameters.get('renameoptions')!.toUpperCase().includes('OVERWRITE')
  const source = await livingEntry(operating, from)
  const standing = await livingEntry(operating, to)
  const name = from.path.slice(from.path.lastIndexOf('/') + 1)
  const into = !modern && standing?.type === 'directory' && from.path !== to.path
  const path = into ? (to.path === '' ? name : `${to.path}/${name}`) : to.path
  expectSameClaims(from.path, path)
  try {
    if (source === undefined || from.path === '') throw noSuchFile()
    if (from.path === path) {
      if (source.type === 'file' && !modern) return sendHadoopJson(reply, 200, { boolean: true })
      throw cannotMove('a directory, or a file with options, cannot be moved to where it is')
    }
    if (`${path}/`.startsWith(`${from.path}/`)) throw cannotMove('a directory cannot be moved into itself')
    if (overwrite && standing !== undefined) {
      if (standing.type !== source.type) throw cannotMove('a file and a directory cannot replace each other')
      await releaseFiles(operating, (await door.names.remove(to, false)) ?? [])
    }
    await door.names.move(from, path)
  } catch (error) {
    const expected = SupercargoError.is(error) && (error.kind === 'conflict' || error.kind === 'notFound')
    if (modern || !expected) throw error
    return sendHadoopJson(reply, 200, { boolean: false })
  }
  return modern ? reply.code(200).send() : sendHadoopJson(reply, 200, { boolean: true })
}

/** A claim is written down when the bytes come; a name that says another would be a lie. */
function expectSameClaims(from: string, to: string): void {
  if (claimsIn(from).join() === claimsIn(to).join()) return
  throw new SupercargoError('conflict', 'other-claim', 'a file cannot be moved to the claim of somebody else', {
    hint: 'upload it there',
    status: 403,
  })
}

function cannotMove(message: string): SupercargoError {
  return new SupercargoError('conflict', 'cannot-move', message, { status: 403 })
}

/** Above the trees: the directories are there, what is in them is nobody's business. */
const topDirectory: NameEntry = { type: 'directory', modifiedMs: 0 }
