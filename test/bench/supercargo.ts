/** Our own contender: the bundled command as an image would run it, server and clients as processes of their own. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ServerProcess, startStagingServer } from '../process/staging-server.ts'
import { type Cost, run } from './process-meter.ts'

export interface Staged {
  readonly resourceId: string
  readonly secretFile: string
  readonly sentBytes: number
}

/** The bundle made by `npm run build` into `dist`. */
export class Supercargo {
  readonly #program: string
  readonly #scratch: string
  #runs = 0

  constructor(dist: string, scratch: string) {
    this.#program = join(dist, 'supercargo.mjs')
    this.#scratch = scratch
    mkdirSync(scratch, { recursive: true })
  }

  serve(store: string): Promise<ServerProcess> {
    return startStagingServer({ program: this.#program, arguments: ['--store', store] })
  }

  async stage(server: ServerProcess, directory: string): Promise<{ cost: Cost; staged: Staged }> {
    const secretFile = join(this.#scratch, `secret-${this.#runs++}`)
    rmSync(secretFile, { force: true })
    const cost = await run([
      process.execPath,
      this.#program,
      'stage',
      directory,
      '--server',
      server.url,
      '-n',
      'bench',
      '--secret-file',
      secretFile,
      '--json',
      '--quiet',
    ])
    const answer = JSON.parse(cost.stdout) as { resourceId: string; sentBytes: number }
    return { cost, staged: { resourceId: answer.resourceId, sentBytes: answer.sentBytes, secretFile } }
  }

  /** Its blobs are freed at once, so that every round writes into the same part of the disk's cache. */
  async release(server: ServerProcess, staged: Staged): Promise<void> {
    await run([
      process.execPath,
      this.#program,
      'resources',
      'release',
      staged.resourceId,
      '--server',
      server.url,
      '--secret-file',
      staged.secretFile,
      '--quiet',
    ])
  }

  async localize(server: ServerProcess, staged: Staged, target: string): Promise<Cost> {
    mkdirSync(target, { recursive: true })
    const plan = join(this.#scratch, `plan-${this.#runs++}.json`)
    writeFileSync(
      plan,
      JSON.stringify({
        version: 1,
        root: target,
        staging: { url: server.url },
        items: [{ resource: staged.resourceId, secretFile: staged.secretFile, to: '.' }],
      }),
    )
    return await run([
      process.execPath,
      this.#program,
      'localize',
      plan,
      '--quiet',
      '--termination-log',
      join(this.#scratch, 'termination.json'),
    ])
  }
}
