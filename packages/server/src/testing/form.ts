/** Multipart bodies made by hand, so that tests decide every byte. */

export interface TestPart {
  readonly name?: string
  readonly filename?: string
  readonly type?: string
  readonly encoding?: string
  readonly body: string | Uint8Array
}

export const testBoundary = 'a-boundary-of-a-test'

export const v0Owner = JSON.stringify({
  ownerNamespace: 'default',
  ownerLabels: { 'spark-app-selector': 'spark-1' },
  ownerType: 'Pod',
})

export function formBody(parts: readonly TestPart[], boundary = testBoundary): Buffer {
  const pieces: Buffer[] = []
  for (const part of parts) {
    const disposition =
      part.name === undefined
        ? ''
        : `Content-Disposition: form-data; name="${part.name}"${part.filename === undefined ? '' : `; filename="${part.filename}"`}\r\n`
    const type = part.type === undefined ? '' : `Content-Type: ${part.type}\r\n`
    const encoding = part.encoding === undefined ? '' : `Content-Transfer-Encoding: ${part.encoding}\r\n`
    pieces.push(
      Buffer.from(`--${boundary}\r\n${disposition}${type}${encoding}\r\n`),
      Buffer.from(part.body),
      Buffer.from('\r\n'),
    )
  }
  return Buffer.concat([...pieces, Buffer.from(`--${boundary}--\r\n`)])
}

/** A POST of a form, whole. */
export function formRequest(path: string, body: Uint8Array, extra: Readonly<Record<string, string>> = {}): Buffer {
  const fields = {
    Host: 'test',
    'Content-Type': `multipart/form-data; boundary=${testBoundary}`,
    'Content-Length': String(body.length),
    ...extra,
  }
  const head = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.concat([Buffer.from(`POST ${path} HTTP/1.1\r\n${head.join('')}\r\n`), body])
}
