/** The server's process: started over with its flags, under the same id. */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'

const command = resolve(import.meta.dirname, '..', 'bin', 'supercargo.js')

it.runIf(process.platform === 'linux' && process.execve !== undefined)(
  'serve runs with its own garbage collection, under the id it was started with',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'supercargo-process-'))
    const child = spawn(
      process.execPath,
      [command, 'serve', '--listen', '127.0.0.1:0', '--store', join(directory, 'store')],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    try {
      const said = await new Promise<string>((resolve, reject) => {
        let text = ''
        const hear = (chunk: Buffer): void => {
          text += chunk
          if (text.includes('serving')) resolve(text)
        }
        child.stdout.on('data', hear)
        child.stderr.on('data', hear)
        child.once('close', (code) => reject(new Error(`ended with ${code}: ${text}`)))
      })
      expect(said).toContain('127.0.0.1')
      const line = readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').split('\0')
      expect(line).toContain('--single-threaded-gc')
      expect(line).toContain('serve')
    } finally {
      const ended = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGTERM')
      await ended
      await rm(directory, { recursive: true, force: true })
    }
  },
)
