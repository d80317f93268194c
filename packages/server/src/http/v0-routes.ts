/** The wire of the 2017 resource staging server: two parts in, two fields out, the raw secret, the same bytes back. */
import {
  mediaTypes,
  type Owner,
  parseJson,
  parseWith,
  routes,
  SupercargoError,
  v0OwnerSchema,
} from '@supercargo/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Intake, v0FilePath } from '../store/store.ts'
import { admitUpload, contentLength, limitOr } from './arrival.ts'
import { rawSecret, secretFits } from './authorize.ts'
import type { Edge } from './edge.ts'
import { readRecord } from './find-resource.ts'
import { sendJson } from './problem.ts'
import { checkForm, type FormPart, readForm } from './read-form.ts'
import { sendFile } from './send-file.ts'

/** Part heads, the owner, and parts that are ignored. */
const formBytesMax = 1 << 20
const ownerBytesMax = 64 << 10
const partsMax = 64

export function registerV0Routes(app: FastifyInstance, edge: Edge): void {
  for (const slash of ['', '/']) {
    app.post(`${routes.v0.resources}${slash}`, (request, reply) => receiveResource(edge, request, reply))
    app.route({
      method: ['GET', 'HEAD'],
      url: `${routes.v0.resources}/:id${slash}`,
      handler: (request, reply) => sendResource(edge, request, reply),
    })
    for (const ping of [routes.v0.ping, '/api/ping']) {
      app.route({
        method: ['GET', 'HEAD'],
        url: `${ping}${slash}`,
        handler: (_request, reply) => reply.header('content-type', 'text/plain').send(Buffer.from('pong')),
      })
    }
  }
}

async function receiveResource(edge: Edge, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  if (edge.authorizer?.anonymousV0 === false) throw anonymousError()
  const { fileBytesMax, resourceBytesMax } = edge.limits
  const bytesMax = Math.min(limitOr(fileBytesMax), limitOr(resourceBytesMax))
  checkForm(request)
  const arrival = admitUpload(edge, request, reply, bytesMax + formBytesMax)
  let intake: Intake | undefined
  try {
    const expectedBytes = Math.max(0, contentLength(request) - formBytesMax)
    intake = await edge.store.intake(expectedBytes === 0 ? undefined : expectedBytes)
    const signal = arrival.begin()
    const parts = new V0Parts(intake, bytesMax)
    await readForm(request, { signal, partsMax }, (part) => parts.take(part))
    const owner = parts.complete()
    const receivedMs = edge.clock.monotonic()
    const record = await intake.commit([owner], 'v0')
    edge.metrics.committed(edge.clock.monotonic() - receivedMs)
    request.exchange.resourceId = record.id
    // Exactly these two fields in this order: the original client refuses any other.
    return sendJson(reply, 200, { resourceId: record.id, resourceSecret: intake.secret.reveal() })
  } catch (error) {
    await intake?.abort()
    throw error
  } finally {
    arrival.end()
  }
}

function anonymousError(): SupercargoError {
  const says = 'uploads of the 2017 wire carry no token, and this server wants to know who stages'
  return new SupercargoError('denied', 'anonymous-upload-refused', says, {
    hint: 'stage with a client of /api/v1 and a token (supercargo stage --token-file FILE), or let the server take them with --allow-anonymous-v0',
  })
}

/** The parts as they come, in any order. */
class V0Parts {
  readonly #intake: Intake
  readonly #bytesMax: number
  #owner: Owner | undefined
  #received = false

  constructor(intake: Intake, bytesMax: number) {
    this.#intake = intake
    this.#bytesMax = bytesMax
  }

  async take(part: FormPart): Promise<void> {
    if (part.name === 'resources') return this.#takeResources(part)
    if (part.name === 'resourcesOwner') return this.#takeOwner(part)
    // Others are ignored, as the original did.
  }

  /** The owner, when both parts were there. */
  complete(): Owner {
    if (!this.#received) throw partError('missing-part', 'the part "resources" is missing')
    if (this.#owner === undefined) throw partError('missing-part', 'the part "resourcesOwner" is missing')
    return this.#owner
  }

  async #takeResources(part: FormPart): Promise<void> {
    if (this.#received) throw partError('duplicate-part', 'the part "resources" is there twice')
    this.#received = true
    const writer = await this.#intake.file(v0FilePath, undefined)
    try {
      await part.receive((chunk) => writer.write(chunk), this.#bytesMax)
      await writer.commit()
    } catch (error) {
      await writer.abort()
      throw error
    }
  }

  async #takeOwner(part: FormPart): Promise<void> {
    if (this.#owner !== undefined) throw partError('duplicate-part', 'the part "resourcesOwner" is there twice')
    const json = parseJson(await part.text(ownerBytesMax), 'the part "resourcesOwner"')
    this.#owner = parseWith(v0OwnerSchema, json, 'the part "resourcesOwner"', 'bad-owner')
    this.#intake.bindNamespace(this.#owner.namespace)
  }
}

function partError(code: string, message: string): SupercargoError {
  return new SupercargoError('invalid', code, message, {
    hint: `send ${mediaTypes.multipart} with the parts "resources" and "resourcesOwner"`,
  })
}

async function sendResource(edge: Edge, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { id } = request.params as { id: string }
  const record = await readRecord(edge, id)
  const file = record?.door === 'v0' ? record.files[0] : undefined
  if (record === undefined || file === undefined) {
    throw new SupercargoError('notFound', 'unknown-resource', 'there is no resource with this id')
  }
  const fits = secretFits(rawSecret(request.headers.authorization), record.secretHash)
  edge.metrics.decided('secret', fits ? 'yes' : 'no')
  if (!fits) {
    throw new SupercargoError('denied', 'wrong-secret', 'the secret is not that of the resource', {
      status: 401,
      hint: 'send the resource secret alone in the Authorization header',
    })
  }
  return sendFile(edge, request, reply, record, file)
}
