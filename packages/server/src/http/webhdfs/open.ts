/** OPEN: a file's bytes from an offset on, and the note that somebody reads them. */
import { SupercargoError } from '@supercargo/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { sendPart } from '../send-file.ts'
import { livingEntry, noSuchFile, type Operating, placeAsked } from './operations.ts'
import { ownedByReader } from './ownership.ts'
import { isSecondStep, sendRedirect } from './redirect.ts'
import { wholeNumber } from './request.ts'

export async function open(operating: Operating, request: FastifyRequest): Promise<FastifyReply> {
  const { edge, door, asked, reply } = operating
  const place = await placeAsked(operating, 'read')
  const entry = await livingEntry(operating, place)
  if (entry === undefined) throw noSuchFile()
  if (entry.type === 'directory') {
    throw new SupercargoError('notFound', 'is-no-file', 'a directory has no bytes', { hint: 'name a file in it' })
  }
  const start = wholeNumber(asked, 'offset', 0)
  if (start > entry.sizeBytes || (start === entry.sizeBytes && start > 0)) {
    throw new SupercargoError(
      'range',
      'offset-outside',
      `the file has ${entry.sizeBytes} bytes; there is none at ${start}`,
    )
  }
  if (!isSecondStep(asked)) return sendRedirect(edge, request, reply)
  const end = Math.min(entry.sizeBytes, start + wholeNumber(asked, 'length', entry.sizeBytes))
  const record = await edge.store.read(entry.resourceId)
  const file = record?.files.find(({ path }) => path === entry.file)
  if (record === undefined || file === undefined) throw noSuchFile()
  request.exchange.resourceId = record.id
  const { address } = edge.passageOf(request.raw)
  if (address !== undefined && ownedByReader(place.path)) door.readers.seen(record.id, place.namespace, address)
  return sendPart(edge, request, reply, record, file, [start, end])
}
