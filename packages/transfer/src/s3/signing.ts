/** Signs a request for an object by AWS Signature Version 4: in its fields, or in its address. */
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import { SignatureV4 } from '@smithy/signature-v4'
import { forSigning, type Keys } from './credentials.ts'
import { encoded } from './encoding.ts'

export interface Signing {
  readonly keys: Keys
  readonly region: string
  readonly date: Date
}

/** The fields of a request with its signature; of one with a body, its hash is among them already. Only what must be signed is: what proxies rewrite is added later. */
export async function signed(
  method: string,
  url: URL,
  fields: Readonly<Record<string, string>>,
  { keys, region, date }: Signing,
): Promise<Record<string, string>> {
  return (await signerOf(keys, region).sign(requestOf(method, url, fields), { signingDate: date })).headers
}

/** An address that is the right to GET the object for so many seconds. Fields like `Range` are not part of the signature. */
export async function presigned(url: URL, seconds: number, { keys, region, date }: Signing): Promise<URL> {
  const request = requestOf('GET', url, { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' })
  const { query } = await signerOf(keys, region).presign(request, { signingDate: date, expiresIn: seconds })
  const text = Object.entries(query ?? {}).map(([name, value]) => `${encoded(name)}=${encoded(String(value))}`)
  return new URL(`${url.origin}${url.pathname}?${text.join('&')}`)
}

function signerOf(keys: Keys, region: string): SignatureV4 {
  // The path of an object is signed as it is sent.
  return new SignatureV4({
    service: 's3',
    region,
    credentials: forSigning(keys),
    sha256: Sha256,
    uriEscapePath: false,
  })
}

function requestOf(method: string, url: URL, fields: Readonly<Record<string, string>>) {
  return {
    method,
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: { ...fields, host: url.host },
  }
}

/** What the signer expects of a hash, over Node's own. */
class Sha256 {
  readonly #hash: Hash | Hmac

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret))
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data))
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }

  reset(): void {
    throw new TypeError('a hash is used once')
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data)
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data)
}
