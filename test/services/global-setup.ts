/** Opens the run of a test run, gives it a reaper, and at the end stops every service and says what was real. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { reportLines } from './report.ts'
import { holdRun, runsDirectory, stopOrphans, stopRun } from './run.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    servicesRun: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const say = (line: string): void => void process.stderr.write(`services: ${line}\n`)
  await stopOrphans(say)
  const run = join(runsDirectory(), `test-${process.pid}-${randomBytes(3).toString('hex')}`)
  const held = await holdRun(run)
  const reaper = spawn(process.execPath, [join(import.meta.dirname, 'reaper.ts'), run], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  reaper.unref()
  project.provide('servicesRun', run)
  return async () => {
    const lines = reportLines(run)
    await stopRun(run)
    await rm(run, { recursive: true, force: true })
    await held.release()
    reaper.stdin.end()
    for (const line of lines) process.stdout.write(`${line}\n`)
  }
}
