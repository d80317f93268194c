/** What something in front of the server says, as an error that names the cause and where to change it. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClient } from './client.ts'

let proxy: Server
let server: string
let says: { readonly status: number; readonly text?: string; readonly fields?: Record<string, string> }

beforeAll(async () => {
  proxy = createServer((_request, response) => {
    response.writeHead(says.status, { 'content-type': 'text/html', ...says.fields })
    response.end(says.text ?? `<html><head><title>${says.status}</title></head></html>`)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  server = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
})
afterAll(() => proxy.close())

describe('a page that is not from a staging server', () => {
  it.each<[number, string, string, boolean, RegExp, string?]>([
    [413, 'tooLarge', 'proxy-body-limit', false, /nginx\.ingress\.kubernetes\.io\/proxy-body-size/],
    [502, 'unavailable', 'http-502', true, /does not reach it; is it running/],
    [503, 'unavailable', 'http-503', true, /does not reach it; is it running/],
    [504, 'unavailable', 'http-504', true, /proxy_read_timeout/],
    [404, 'notFound', 'http-404', false, /is --server the right address/],
    [400, 'invalid', 'http-400', false, /write https/, 'The plain HTTP request was sent to HTTPS port'],
  ])('with status %i is %s (%s), tried again: %s', async (status, kind, code, retry, hint, text) => {
    says = { status, ...(text === undefined ? {} : { text }) }
    const client = createClient({ server })
    const failure = await client.collectorStatus().catch((error: unknown) => error)
    client.close()
    expect(failure).toMatchObject({ kind, code, retry, hint: expect.stringMatching(hint) })
    expect((failure as Error).message).not.toContain('<')
  })

  it('that says when to come back is believed', async () => {
    says = { status: 503, fields: { 'retry-after': '3' } }
    const client = createClient({ server })
    await expect(client.collectorStatus()).rejects.toMatchObject({ retryAfterMs: 3000 })
    client.close()
  })
})
