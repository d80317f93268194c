/** Trees of names in a bucket: a name leads to one resource, of several who come at once one wins, and none leads out of its tree. */
import { ManualClock } from '@supercargo/transfer'
import { beforeEach, describe, expect, it } from 'vitest'
import { MemoryBucket } from '../../testing/memory-bucket.ts'
import { bucketTokens } from '../../tokens/bucket-tokens.ts'
import type { NamedFile, NamePlace, NameTree } from '../name-tree.ts'
import { S3Layout } from './s3-layout.ts'
import { s3NameTree } from './s3-name-tree.ts'

const layout = new S3Layout('p')
const any = { overwrite: true, makeParents: true }
let bucket: MemoryBucket
let clock: ManualClock
let names: NameTree
let other: NameTree

beforeEach(() => {
  bucket = new MemoryBucket()
  clock = new ManualClock()
  names = s3NameTree(bucket, layout, clock)
  other = s3NameTree(bucket, layout, clock)
})

const at = (path: string): NamePlace => ({ namespace: 'spark', tree: 'tree', path })

function file(resourceId: string): NamedFile {
  return { resourceId, file: 'f', sizeBytes: 3, digest: `sha256:${'a'.repeat(64)}`, modifiedMs: 1000 }
}

describe('a name in a bucket', () => {
  it('leads to its resource at every server, and tells what it led to before', async () => {
    expect(await names.put(at('a/b c%/é.jar'), file('one'), any)).toBeUndefined()
    expect(await other.look(at('a/b c%/é.jar'))).toEqual({ type: 'file', ...file('one') })
    expect(await other.look({ ...at('a/b c%/é.jar'), tree: 'another' })).toBeUndefined()
    expect(await other.put(at('a/b c%/é.jar'), file('two'), any)).toMatchObject({ resourceId: 'one' })
    expect(await names.list(at('a'))).toMatchObject([{ name: 'b c%', entry: { type: 'directory' } }])
    await names.forget(at('a/b c%/é.jar'), 'one')
    expect(await names.look(at('a/b c%/é.jar'))).toMatchObject({ resourceId: 'two' })
  })

  it('of many who come at the same time goes to one', async () => {
    const outcomes = await Promise.allSettled(
      ['1', '2', '3', '4'].map((id) =>
        (Number(id) % 2 ? names : other).put(at('d/a'), file(id), { ...any, overwrite: false }),
      ),
    )
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(1)
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'name-taken' })
  })

  it('never stands in a file, and a directory never where a file stands', async () => {
    await names.put(at('a'), file('one'), any)
    await names.makeDirectory(at('d/e'))
    for (const [act, code] of [
      [names.put(at('a/b'), file('two'), any), 'not-a-directory'],
      [names.makeDirectory(at('a')), 'name-taken'],
      [names.put(at('d'), file('two'), any), 'is-a-directory'],
      [names.put(at(''), file('two'), any), 'is-a-directory'],
      [names.put(at('x/y'), file('two'), { ...any, makeParents: false }), 'no-such-directory'],
      [names.remove(at('d'), false), 'directory-not-empty'],
      [names.move(at('d'), 'd/e/f'), 'not-a-directory'],
      [names.move(at('d'), 'a'), 'name-taken'],
    ] as const)
      await expect(act).rejects.toMatchObject({ code })
  })

  it.each(['..', '../x', 'a//b', 'a\0b', './a'])('that climbs or cannot be a name is refused: %j', async (path) => {
    for (const act of [
      () => names.put(at(path), file('one'), any),
      () => names.look(at(path)),
      () => names.move(at('a'), path),
    ])
      await expect((async () => act())()).rejects.toMatchObject({ kind: 'unsafe' })
    await expect(names.look({ ...at('a'), tree: '../x' })).rejects.toMatchObject({ kind: 'unsafe' })
    expect(bucket.objects.size).toBe(0)
  })

  it('moves with all that is below it, and goes with it', async () => {
    await names.put(at('d/e/a'), file('one'), any)
    await names.put(at('d/b'), file('two'), any)
    await other.move(at('d'), 'moved')
    expect(await names.look(at('moved/e/a'))).toMatchObject({ resourceId: 'one' })
    const below: string[] = []
    for await (const { entry } of names.below(at(''))) below.push(entry.type)
    expect(below.sort()).toEqual(['directory', 'directory', 'file', 'file'])
    expect((await names.remove(at('moved'), true))?.map(({ resourceId }) => resourceId).sort()).toEqual(['one', 'two'])
    expect(await names.remove(at('moved'), true)).toBeUndefined()
  })

  it('that leads nowhere is tidied up with directories that stayed empty, and nothing else', async () => {
    await names.put(at('kept/a'), file('there'), any)
    await names.put(at('gone/b'), file('gone'), any)
    await names.makeDirectory(at('empty/deep'))
    const isThere = async (id: string) => id === 'there'
    const options = { isThere, emptyMs: 60_000, signal: new AbortController().signal }
    expect(await other.tidy(options)).toBe(1)
    clock.advance(120_000)
    expect(await other.tidy(options)).toBe(3)
    expect(await names.list(at(''))).toMatchObject([{ name: 'kept' }])
  })
})

describe('a staging token in a bucket', () => {
  it('is known at every server as soon as it is minted, and none after it is revoked', async () => {
    const [one, two] = [bucketTokens(bucket, layout, clock), bucketTokens(bucket, layout, clock)]
    const { token, secret } = await one.create({ namespace: 'spark', expiresAtMs: null, bytesMax: 0, note: null })
    expect(await two.read(token.name)).toEqual(token)
    expect(await two.list('other')).toEqual([])
    expect(JSON.stringify([...bucket.objects.values()].map(({ bytes }) => String(bytes)))).not.toContain(
      secret.reveal(),
    )
    expect([await two.revoke(token.name), await one.revoke(token.name), await one.read(token.name)]).toEqual([
      true,
      false,
      undefined,
    ])
    expect(await one.read('../FORMAT')).toBeUndefined()
  })
})
