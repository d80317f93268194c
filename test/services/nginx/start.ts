/** Starts nginx on two loopback ports over one folder: plain and with TLS, downloads by sendfile, uploads by DAV. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createAuthority, issue } from '../certificates.ts'
import type { Site } from '../site.ts'
import type { NginxAssets } from './provision.ts'

export interface NginxDetails extends Record<string, string> {
  readonly url: string
  readonly secureUrl: string
  readonly caFile: string
  /** What is written here is served, and what is uploaded appears here. */
  readonly documentRoot: string
}

const readyTimeoutMs = 180_000

export async function startNginx(site: Site, assets: NginxAssets): Promise<NginxDetails> {
  const [port, securePort] = [await site.port('http'), await site.port('https')]
  const authority = await createAuthority(site.folder('tls'), 'supercargo test nginx')
  const server = await issue(authority, {
    name: 'server',
    commonName: 'localhost',
    alternativeNames: ['IP:127.0.0.1', 'DNS:localhost'],
  })
  const documentRoot = site.folder('root')
  const temporary = site.folder('temp')
  const configuration = join(site.directory, 'nginx.conf')
  await writeFile(
    configuration,
    `daemon off;
worker_processes 1;
pid ${site.directory}/nginx.pid;
error_log stderr;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 512; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  client_max_body_size 0;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((each) => `${each}_temp_path ${temporary}/${each};`).join(' ')}
  server {
    listen 127.0.0.1:${port};
    listen 127.0.0.1:${securePort} ssl;
    ssl_certificate ${server.certFile};
    ssl_certificate_key ${server.keyFile};
    ssl_protocols TLSv1.2 TLSv1.3;
    root ${documentRoot};
    location = /ready { return 204; }
    location / { dav_methods PUT DELETE MKCOL MOVE; create_full_put_path on; dav_access user:rw; }
  }
}
`,
  )
  const url = `http://127.0.0.1:${port}`
  const argv = [assets.program, '-p', site.directory, '-e', 'stderr', '-c', configuration]
  const nginx = await site.spawn({ name: 'nginx', argv, env: assets.env, signal: 'SIGQUIT', graceMs: 2000 })
  await nginx.ready(async (signal) => (await fetch(`${url}/ready`, { signal })).status === 204, readyTimeoutMs)
  return { url, secureUrl: `https://localhost:${securePort}`, caFile: authority.certFile, documentRoot }
}
