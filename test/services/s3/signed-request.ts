/** One request to an S3 server, signed by the rules of AWS Signature Version 4 and by nothing but them. */
import { createHash, createHmac } from 'node:crypto'
import type { S3Details } from './start.ts'

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer
}

export function signedFetch(details: S3Details, request: S3Request): Promise<Response> {
  const path = request.path.split('/').map(encode).join('/')
  const query = Object.entries(request.query ?? {})
    .map(([key, value]) => `${encode(key)}=${encode(value)}`)
    .sort()
    .join('&')
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d{3}/g, '')
  const digest = createHash('sha256')
    .update(request.body ?? '')
    .digest('hex')
  const { host } = new URL(details.endpoint)
  const headers: Record<string, string> = {
    ...request.headers,
    host,
    'x-amz-content-sha256': digest,
    'x-amz-date': time,
  }
  const names = Object.keys(headers).sort()
  const canonicalHeaders = names.map((name) => `${name}:${headers[name]}\n`).join('')
  const canonical = [request.method, path, query, canonicalHeaders, names.join(';'), digest].join('\n')
  const scope = `${time.slice(0, 8)}/${details.region}/s3/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
  const key = scope
    .split('/')
    .reduce<string | Buffer>((secret, part) => hmac(secret, part), `AWS4${details.secretAccessKey}`)
  const signature = hmac(key, toSign).toString('hex')
  const { host: _, ...sent } = headers
  return fetch(`${details.endpoint}${path}${query === '' ? '' : `?${query}`}`, {
    method: request.method,
    headers: {
      ...sent,
      authorization: `AWS4-HMAC-SHA256 Credential=${details.accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
    },
    ...(request.body === undefined ? {} : { body: new Uint8Array(request.body) }),
  })
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function encode(part: string): string {
  return encodeURIComponent(part).replaceAll(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`)
}
