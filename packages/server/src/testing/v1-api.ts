/** Short words for the v1 API, for tests. */
import { createHash } from 'node:crypto'
import { commitResponseSchema, createResponseSchema, type Digest } from '@supercargo/protocol'
import { tarBody } from './tar.ts'

export const testOwner = { namespace: 'spark', kind: 'Pod', name: 'driver' }

export function digestOf(bytes: string | Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export interface HasUrl {
  readonly url: string
}

export interface CallOptions {
  readonly secret?: string | undefined
  readonly body?: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

/** `path` is below /api/v1/resources. */
export function call(server: HasUrl, method: string, path: string, options: CallOptions = {}): Promise<Response> {
  const authorization: Record<string, string> =
    options.secret === undefined ? {} : { authorization: `Bearer ${options.secret}` }
  return fetch(`${server.url}/api/v1/resources${path}`, {
    method,
    headers: { ...authorization, ...options.headers },
    ...(options.body === undefined ? {} : { body: options.body as string }),
  })
}

export function callJson(
  server: HasUrl,
  method: string,
  path: string,
  body: unknown,
  secret?: string,
): Promise<Response> {
  return call(server, method, path, {
    secret,
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  })
}

/** Opens an upload of these files. */
export async function createUpload(server: HasUrl, files: Readonly<Record<string, string | Uint8Array>>) {
  const listed = Object.entries(files).map(([path, bytes]) => ({
    path,
    sizeBytes: Buffer.byteLength(bytes),
    digest: digestOf(bytes),
  }))
  const answer = await callJson(server, 'POST', '', { owner: testOwner, files: listed })
  if (answer.status !== 201) throw new Error(`create: ${answer.status} ${await answer.text()}`)
  return createResponseSchema.parse(await answer.json())
}

/** A committed resource of these files, staged as one tar. */
export async function stageFiles(server: HasUrl, files: Readonly<Record<string, string | Uint8Array>>) {
  const body = tarBody(Object.entries(files).map(([name, bytes]) => ({ name, body: bytes })))
  const headers = { 'content-type': 'application/x-tar', 'supercargo-owner': JSON.stringify(testOwner) }
  const answer = await call(server, 'POST', '', { headers, body })
  if (answer.status !== 201) throw new Error(`stage: ${answer.status} ${await answer.text()}`)
  const staged = commitResponseSchema.parse(await answer.json())
  return { id: staged.resourceId, secret: staged.resourceSecret!, files: staged.files }
}
