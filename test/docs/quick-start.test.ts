/** The quick start, typed as it stands there. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServerProcess, startStagingServer } from '../process/staging-server.ts'
import { blocksOf, runPage } from './page-commands.ts'

const page = 'docs/quick-start.md'
const directory = mkdtempSync(join(tmpdir(), 'supercargo-quick-start-'))
let server: ServerProcess

beforeAll(async () => {
  // The page starts it in a terminal of its own, at the usual port.
  const [start] = blocksOf(page, 'sh server')
  const [program, verb, ...rest] = start!.trim().split(' ')
  expect([program, verb]).toEqual(['supercargo', 'serve'])
  const there = rest.map((word) => (word.startsWith('./') ? join(directory, word) : word))
  server = await startStagingServer({ arguments: there })
})
afterAll(async () => {
  await server?.stop()
  rmSync(directory, { recursive: true })
})

it('works from the first command to the last', async () => {
  const { code, said } = await runPage(page, {
    directory,
    env: { SUPERCARGO_SERVER: server.url },
    instead: { 'http://127.0.0.1:10000': server.url },
  })
  expect(code, said).toBe(0)
  expect(said).toContain('everything is in place')
}, 180_000)
