/** The distribution registry (Debian's docker-registry) as an anchor: it hashes what it takes, as we do. */
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../process/free-port.ts'
import { ended } from '../process/staging-server.ts'

export interface Registry {
  readonly pid: number
  readonly url: string
  stop(): Promise<void>
}

export function registryInstalled(): boolean {
  return spawnSync('docker-registry', ['--version']).status === 0
}

export async function startRegistry(directory: string): Promise<Registry> {
  const port = await freePort()
  mkdirSync(join(directory, 'data'), { recursive: true })
  const file = join(directory, 'registry.yml')
  writeFileSync(
    file,
    `version: 0.1\nlog: { level: error }\nstorage:\n  filesystem: { rootdirectory: ${join(directory, 'data')} }\nhttp: { addr: 127.0.0.1:${port} }\n`,
  )
  const child = spawn('docker-registry', ['serve', file], { stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}`
  for (let tries = 0; ; tries++) {
    const answers = await fetch(`${url}/v2/`).then(
      (response) => response.ok,
      () => false,
    )
    if (answers) break
    if (tries > 100) throw new Error('the registry does not answer')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    pid: child.pid!,
    url,
    stop: async () => {
      const end = ended(child)
      child.kill('SIGTERM')
      await end
    },
  }
}
