/** A staging token opens its namespace and nothing else, is kept only as a hash, and ends when it is told to. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ManualClock } from '@supercargo/transfer'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DiskLayout } from '../store/disk-layout.ts'
import { nodeFileSystem } from '../store/file-system.ts'
import { memoryDirectory } from '../testing/disk-harness.ts'
import { FaultyFileSystem } from '../testing/faulty-file-system.ts'
import { openStagingTokens } from './staging-tokens.ts'

let directory: string
const clock = new ManualClock()
beforeEach(async () => {
  directory = await mkdtemp(join(memoryDirectory, 'supercargo-tokens-'))
})
afterEach(() => rm(directory, { recursive: true }))

const open = (system = nodeFileSystem) => openStagingTokens({ system, layout: new DiskLayout(directory), clock })
const wish = { namespace: 'spark', expiresAtMs: null, bytesMax: 0, note: null }

describe('a staging token', () => {
  it('is found after a restart, by its name, with its hash alone on disk', async () => {
    const { token, secret } = await (await open()).create({ ...wish, bytesMax: 5, note: 'nightly' })
    const tokens = await open()
    expect(await tokens.read(token.name)).toEqual(token)
    expect(secret.matches(token.hash)).toBe(true)
    const text = await readFile(join(directory, 'tokens', `${token.name}.json`), 'utf8')
    expect(text).not.toContain(secret.reveal())
    expect(await tokens.list('spark')).toEqual([token])
    expect(await tokens.list('other')).toEqual([])
    expect(await tokens.list(undefined)).toEqual([token])
  })

  it('is gone when it was revoked', async () => {
    const tokens = await open()
    const { token } = await tokens.create(wish)
    expect(await tokens.revoke(token.name)).toBe(true)
    expect(await tokens.revoke(token.name)).toBe(false)
    expect(await tokens.read(token.name)).toBeUndefined()
  })

  it.each(['', '../../etc/passwd', 'x', 'ABCDEFGHIJKL', '012345678901/', '..', 'a\0bcdefghijk'])(
    'of the name %j is none, and nothing is looked for',
    async (name) => {
      const tokens = await open()
      expect(await tokens.read(name)).toBeUndefined()
      expect(await tokens.revoke(name)).toBe(false)
    },
  )

  it('that is damaged opens nothing and can be revoked', async () => {
    const tokens = await open()
    const { token } = await tokens.create(wish)
    await writeFile(join(directory, 'tokens', `${token.name}.json`), '{}')
    await expect(tokens.read(token.name)).rejects.toMatchObject({ kind: 'corrupt', code: 'damaged-token' })
    expect(await tokens.revoke(token.name)).toBe(true)
  })

  it('is there and known to its owner, or not there, whichever call fails', async () => {
    const disk = new FaultyFileSystem()
    const tokens = await open(disk.system)
    for (let n = 1, failed = true; failed; n++) {
      disk.arm(n)
      const made = await tokens.create(wish).catch(() => undefined)
      failed = disk.failed
      disk.revive()
      const listed = (await (await open()).list(undefined)).map(({ name }) => name)
      expect(listed, `call ${n}`).toEqual(made === undefined ? [] : [made.token.name])
      if (made !== undefined) await tokens.revoke(made.token.name)
      expect(await readdir(join(directory, 'tokens')), `call ${n}`).toEqual([])
    }
  })
})
