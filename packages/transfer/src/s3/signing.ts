/** Signs a request for an object by AWS Signature Version 4. */
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import { SignatureV4 } from '@smithy/signature-v4'
import { forSigning, type Keys } from './credentials.ts'

export interface Signing {
  readonly keys: Keys
  readonly region: string
  readonly date: Date
}

/** The fields of a bodiless request with its signature. Only what must be signed is: what proxies rewrite is added later. */
export async function signed(
  method: string,
  url: URL,
  fields: Readonly<Record<string, string>>,
  { keys, region, date }: Signing,
): Promise<Record<string, string>> {
  const signer = new SignatureV4({
    service: 's3',
    region,
    credentials: forSigning(keys),
    sha256: Sha256,
    // The path of an object is signed as it is sent.
    uriEscapePath: false,
  })
  const request = {
    method,
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: { ...fields, host: url.host },
  }
  return (await signer.sign(request, { signingDate: date })).headers
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
