/** The parts of a multipart/form-data body, one at a time: the border file of @fastify/multipart. */
import type { Readable } from 'node:stream'
import multipart from '@fastify/multipart'
import { mediaTypes, SupercargoError } from '@supercargo/protocol'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { mediaTypeOf } from './arrival.ts'
import { mediaTypeError } from './problem.ts'
import { clientGone, decodeText, receiveBody } from './receive-body.ts'

export interface FormPart {
  readonly name: string
  readonly filename: string | undefined
  readonly mediaType: string
  /** Hands its bytes to `write`, as `receiveBody` does. */
  receive(write: (chunk: Buffer) => Promise<void> | undefined, bytesMax: number): Promise<number>
  /** Its bytes as text, of at most `bytesMax` bytes. */
  text(bytesMax: number): Promise<string>
}

export interface FormOptions {
  readonly signal: AbortSignal
  readonly partsMax: number
}

/** A boundary is at most 70 characters (RFC 2046 section 5.1.1). */
const boundaryPattern = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)/i
const partHeaderBytesMax = 16 * 1024
const partHeadersMax = 32
/** What may follow the last boundary. */
const epilogueBytesMax = 64 * 1024

export async function registerForms(app: FastifyInstance): Promise<void> {
  // Every part counts as a file: a "field" would be held in memory and cut silently at a limit. The 2017 client sends its
  // bytes as a part without a file name, which is a field to every parser.
  await app.register(multipart, { isPartAFile: () => true, throwFileSizeLimit: false })
}

/** Refuses, before anything is read, a body that is no form. */
export function checkForm(request: FastifyRequest): void {
  if (mediaTypeOf(request) !== mediaTypes.multipart) throw mediaTypeError([mediaTypes.multipart])
  if (!boundaryPattern.test(request.headers['content-type'] ?? ''))
    throw formError('it has no boundary, or one that is not valid')
}

/**
 * After `checkForm`: calls `take` for each part in order. What `take` leaves of a part is read and dropped: an unread part would hold up the
 * next one for ever. A body that is no form is `invalid`.
 */
export async function readForm(
  request: FastifyRequest,
  options: FormOptions,
  take: (part: FormPart) => Promise<void>,
): Promise<void> {
  const parts = request.parts({
    preservePath: true,
    limits: {
      parts: options.partsMax,
      files: options.partsMax,
      fileSize: Number.POSITIVE_INFINITY,
      headerPairs: partHeadersMax,
      headerSize: partHeaderBytesMax,
    },
  })
  try {
    for (;;) {
      const next = await orAborted(parts.next(), options.signal)
      if (next.done === true) break
      if (next.value.type !== 'file') throw formError('a part could not be read as bytes')
      await takePart(next.value, options.signal, take)
    }
    // The last boundary is not the end: a body that is cut behind it was cut all the same.
    await receiveBody(request.raw, () => undefined, { signal: options.signal, bytesMax: epilogueBytesMax })
  } catch (error) {
    request.raw.unpipe()
    throw fromFormError(error, request)
  }
}

interface RawPart {
  readonly fieldname: string
  readonly filename: string
  readonly mimetype: string
  readonly encoding: string
  readonly file: Readable
}

async function takePart(raw: RawPart, signal: AbortSignal, take: (part: FormPart) => Promise<void>): Promise<void> {
  if (!['7bit', '8bit', 'binary'].includes(raw.encoding)) {
    throw new SupercargoError(
      'invalid',
      'unsupported-transfer-encoding',
      'a part has a Content-Transfer-Encoding other than binary',
      { status: 415 },
    )
  }
  const receive: FormPart['receive'] = (write, bytesMax) => receiveBody(raw.file, write, { signal, bytesMax })
  await take({
    name: raw.fieldname,
    filename: raw.filename,
    mediaType: raw.mimetype,
    receive,
    async text(bytesMax) {
      const chunks: Buffer[] = []
      await receive((chunk) => void chunks.push(chunk), bytesMax)
      return decodeText(Buffer.concat(chunks))
    },
  })
  await receive(() => undefined, Number.POSITIVE_INFINITY)
}

function orAborted<T>(step: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    step.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

function fromFormError(error: unknown, request: FastifyRequest): SupercargoError {
  const { complete, destroyed } = request.raw
  const cut = SupercargoError.is(error) && error.code === 'client-gone'
  if (SupercargoError.is(error) && !cut) return error
  if (!complete && destroyed) return cut ? error : clientGone(0)
  if (cut) return formError('it ends in the middle of a part')
  const { code } = error as { code?: unknown }
  if (code === 'FST_PARTS_LIMIT' || code === 'FST_FILES_LIMIT') {
    return new SupercargoError('tooLarge', 'too-many-parts', 'the form has too many parts', { cause: error })
  }
  return formError('its parts cannot be told apart', error)
}

function formError(reason: string, cause?: unknown): SupercargoError {
  return new SupercargoError('invalid', 'bad-form', `the body is not a valid multipart form: ${reason}`, { cause })
}
