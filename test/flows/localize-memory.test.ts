/** What the bundled localizer takes of memory, its program's own pages included: a thousand small files and a large one at once. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../bench/process-meter.ts'
import { makeFiles } from '../bench/workloads.ts'
import { type ServerForTest, startServer } from './server-for-test.ts'

const piece = Buffer.alloc(1 << 20, 'a piece of a jar ')
const largeBytes = 96 * piece.length
const smallFiles = { name: 'small', files: 1000, fileBytes: 2048 }

/** Two thirds of what is counted are pages of Node's own program, of which another kernel maps more or fewer around each that is used. */
const differenceMib = 4

let work: string
let program: string
let staging: ServerForTest
let web: Server
let staged: { resourceId: string }

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-memory-'))
  const build = resolve(import.meta.dirname, '../build/build.ts')
  await run([process.execPath, build, '--out', join(work, 'dist')])
  program = join(work, 'dist', 'supercargo.mjs')
  staging = await startServer()
  web = createServer((_, response) => {
    response.writeHead(200, { 'content-length': largeBytes, etag: '"1"' })
    let left = largeBytes / piece.length
    const more = (): void => {
      while (left-- > 0 && !response.destroyed) if (!response.write(piece)) return void response.once('drain', more)
      response.end()
    }
    more()
  })
  await new Promise<void>((listening) => web.listen(0, '127.0.0.1', listening))
  makeFiles(smallFiles, join(work, 'small'))
  const options = ['--server', staging.url, '-n', 'spark', '--secret-file', join(work, 'secret'), '--json', '--quiet']
  const { stdout } = await run([process.execPath, program, 'stage', join(work, 'small'), ...options])
  staged = JSON.parse(stdout)
}, 120_000)

afterAll(async () => {
  web?.closeAllConnections()
  web?.close()
  await staging?.stop()
  rmSync(work, { recursive: true, force: true })
})

describe('the peak of memory', () => {
  it.each([
    ['by default', 128, []],
    ['with a budget of 32 MiB', 64, ['--memory-budget', '32Mi']],
  ])(
    '%s stays about %d MiB, whatever the sizes',
    async (_, barMib, budget) => {
      const root = join(work, 'root')
      mkdirSync(root)
      const plan = join(work, 'plan.json')
      const items = [
        { resource: staged.resourceId, secretFile: join(work, 'secret'), to: 'small' },
        { uri: `http://127.0.0.1:${(web.address() as AddressInfo).port}/large.jar`, to: 'large.jar' },
      ]
      writeFileSync(plan, JSON.stringify({ version: 1, root, staging: { url: staging.url }, items }))
      const options = ['--json', '--quiet', '--termination-log', join(work, 'log'), ...budget]
      const { stdout, rssPeakMib } = await run([process.execPath, program, 'localize', plan, ...options])
      expect(JSON.parse(stdout).totals).toMatchObject({ files: 1001, fetchedBytes: largeBytes + 1000 * 2048 })
      expect(rssPeakMib).toBeGreaterThan(20)
      expect(rssPeakMib).toBeLessThan(barMib + differenceMib)
      rmSync(root, { recursive: true })
    },
    120_000,
  )
})
