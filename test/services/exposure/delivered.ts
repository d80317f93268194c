/** The configurations of nginx that are delivered, with the places of a test in them. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { KeyPair } from '../certificates.ts'
import { around, type FrontNginx, replaced, startFrontNginx } from './front-nginx.ts'

const folder = resolve(import.meta.dirname, '..', '..', '..', 'deploy', 'nginx')

/** Beside a server, with its blobs, or with a folder that lacks them, or without the offer to send files. */
export function startSidecar(
  server: { readonly url: string },
  blobs: string,
  { sendsFiles = true } = {},
): Promise<FrontNginx> {
  const text = readFileSync(join(folder, 'sidecar.conf'), 'utf8')
  return startFrontNginx((port) =>
    replaced(text, {
      'listen 10000': `listen 127.0.0.1:${port}`,
      '127.0.0.1:10001': new URL(server.url).host,
      '/tmp/': 'TEMP/',
      '/var/lib/supercargo/blobs/': `${blobs}/`,
      ...(sendsFiles ? {} : { 'X-Sendfile-Type   X-Accel-Redirect': 'X-Sendfile-Type ""' }),
    }),
  )
}

/** Ends TLS in front of something, under `https://localhost:<port>/cargo`. */
export function startEdge(behind: { readonly url: string }, pair: KeyPair, port: number): Promise<FrontNginx> {
  const text = readFileSync(join(folder, 'edge.conf'), 'utf8')
  return startFrontNginx(
    () =>
      around(
        replaced(text, {
          'listen 443': `listen 127.0.0.1:${port}`,
          'supercargo.internal:10000': new URL(behind.url).host,
          '/etc/nginx/tls/tls.crt': pair.certFile,
          '/etc/nginx/tls/tls.key': pair.keyFile,
        }),
      ),
    port,
  )
}
