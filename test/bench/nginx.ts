/** nginx as a user would set it up for this: DAV uploads into a directory, downloads by sendfile. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../process/free-port.ts'
import { ended } from '../process/staging-server.ts'

export interface Nginx {
  readonly pid: number
  readonly url: string
  readonly directory: string
  stop(): Promise<void>
}

export function nginxInstalled(): boolean {
  return spawnSync('nginx', ['-v']).status === 0
}

export async function startNginx(directory: string, port?: number, connectionsMax = 512): Promise<Nginx> {
  const listen = port ?? (await freePort())
  for (const each of ['root', 'temp', 'logs']) mkdirSync(join(directory, each), { recursive: true })
  const conf = `
worker_processes 1;
daemon off;
pid ${directory}/nginx.pid;
error_log ${directory}/logs/error.log;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections ${connectionsMax}; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  client_max_body_size 0;
  client_body_temp_path ${directory}/temp/body;
  proxy_temp_path ${directory}/temp/proxy;
  fastcgi_temp_path ${directory}/temp/fastcgi;
  uwsgi_temp_path ${directory}/temp/uwsgi;
  scgi_temp_path ${directory}/temp/scgi;
  server {
    listen 127.0.0.1:${listen};
    root ${directory}/root;
    location / { dav_methods PUT DELETE; create_full_put_path on; dav_access user:rw; }
  }
}
`
  writeFileSync(join(directory, 'nginx.conf'), conf)
  const child = spawn(
    'nginx',
    ['-p', directory, '-e', join(directory, 'logs', 'error.log'), '-c', join(directory, 'nginx.conf')],
    { stdio: 'ignore' },
  )
  const url = `http://127.0.0.1:${listen}`
  for (let tries = 0; ; tries++) {
    const answers = await fetch(url).then(
      () => true,
      () => false,
    )
    if (answers) break
    if (tries > 100) throw new Error('nginx does not answer')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    pid: child.pid!,
    url,
    directory: join(directory, 'root'),
    stop: async () => {
      const end = ended(child)
      child.kill('SIGTERM')
      await end
    },
  }
}
