/** A real nginx in front of something, with the configuration that a test writes, ended by its id. */
import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../process/free-port.ts'
import { ended } from '../../process/staging-server.ts'
import { provisionNginx } from '../nginx/provision.ts'
import { until } from '../until.ts'

export interface FrontNginx {
  readonly pid: number
  readonly port: number
  readonly url: string
  /** Where it puts bodies that it buffers. */
  readonly directory: string
  /** All that it wrote to its log of errors. */
  logged(): string
  stop(): Promise<void>
}

const startMs = 30_000
const provisionMs = 600_000

/** A whole file as it is delivered, with other places in it. */
export function replaced(text: string, places: Readonly<Record<string, string>>): string {
  return Object.entries(places).reduce((current, [from, to]) => {
    if (!current.includes(from)) throw new Error(`the configuration does not say ${from}`)
    return current.replaceAll(from, to)
  }, text)
}

/** What stands in `http { }`, in a file of its own. */
export function around(http: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (each) => `${each}_temp_path TEMP/${each};`,
  )
  return `worker_processes 1; pid TEMP/pid; error_log stderr;
events { worker_connections 512; }
http { access_log off; ${temporary.join(' ')} ${http} }
`
}

/** `configure` gets the port to listen on; what nginx writes belongs into TEMP. */
export async function startFrontNginx(configure: (port: number) => string, listen?: number): Promise<FrontNginx> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  const { program, env } = await provisionNginx({ say, signal: AbortSignal.timeout(provisionMs) })
  const port = listen ?? (await freePort())
  const directory = mkdtempSync(join(tmpdir(), 'supercargo-front-'))
  const file = join(directory, 'nginx.conf')
  const user = process.getuid?.() === 0 ? 'user root;\n' : ''
  await writeFile(file, `${user}daemon off;\n${configure(port).replaceAll('TEMP', directory)}`)
  const argv = ['-p', directory, '-e', 'stderr', '-c', file]
  const child = spawn(program, argv, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.on('data', (text) => {
    said = `${said}${text}`.slice(-50_000)
  })
  const end = ended(child)
  await until('nginx in front', () => answers(port), { timeoutMs: startMs }).catch(async (cause) => {
    child.kill('SIGTERM')
    await end
    throw new Error(`nginx does not start: ${said}`, { cause })
  })
  return {
    pid: child.pid!,
    port,
    url: `http://127.0.0.1:${port}`,
    directory,
    logged: () => said,
    async stop() {
      child.kill('SIGTERM')
      await end
      await rm(directory, { recursive: true })
    },
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
