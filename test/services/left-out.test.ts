/** A service that cannot be had is left out with one line on a contributor's machine, and fails by name where CI runs. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type CommandResult, tryCommand } from './command.ts'

const repository = join(import.meta.dirname, '..', '..')
let cache = ''

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'supercargo-left-out-'))
})

afterEach(() => {
  rmSync(cache, { recursive: true, force: true })
})

/** The tests of HDFS on a machine whose Java is not there. */
function runWithoutJava(ci: string): Promise<CommandResult> {
  const vitest = join(repository, 'node_modules', 'vitest', 'vitest.mjs')
  const args = [
    'run',
    '--config',
    join(repository, 'test', 'vitest.config.ts'),
    '--project',
    'services',
    'hdfs/hdfs.test.ts',
  ]
  const env = {
    JAVA_HOME: join(cache, 'none'),
    SUPERCARGO_TEST_CACHE: cache,
    SUPERCARGO_TEST_SERVICES: '1',
    CI: ci,
    NO_COLOR: '1',
  }
  return tryCommand([process.execPath, vitest, ...args], { cwd: repository, env, timeoutMs: 180_000 })
}

describe('a service that cannot be had', () => {
  it('is left out, and the last line says what to install', async () => {
    const { exitCode, stdout, stderr } = await runWithoutJava('')
    expect(exitCode, stdout + stderr).toBe(0)
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^Left out: hdfs \(Install OpenJDK 17 .*JAVA_HOME.*\)$/)
  })

  it('fails by name in CI', async () => {
    const { exitCode, stdout, stderr } = await runWithoutJava('true')
    expect(exitCode).not.toBe(0)
    expect(stdout + stderr).toContain('hdfs cannot be had here, and CI leaves nothing out')
  })
})
