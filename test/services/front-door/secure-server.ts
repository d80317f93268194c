/** The staging server with TLS as a process of its own, ready when its port answers. */
import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { freePort } from '../../process/free-port.ts'
import { command, ended } from '../../process/staging-server.ts'
import { until } from '../until.ts'

const startMs = 120_000

export interface SecureServer {
  readonly port: number
  stop(): Promise<number | null>
}

export async function startSecureServer(
  store: string,
  pair: { readonly certFile: string; readonly keyFile: string },
): Promise<SecureServer> {
  const port = await freePort()
  const tls = ['--tls-cert-file', pair.certFile, '--tls-key-file', pair.keyFile]
  const child = spawn(
    process.execPath,
    [command, 'serve', '--listen', `127.0.0.1:${port}`, '--store', store, '--log-level', 'warn', ...tls],
    { stdio: 'ignore' },
  )
  const end = ended(child)
  await until('the server with TLS', () => answers(port), { timeoutMs: startMs })
  return {
    port,
    stop: () => {
      child.kill('SIGTERM')
      return end
    },
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
