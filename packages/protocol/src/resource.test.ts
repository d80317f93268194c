/** Requests, plans and units: strict where they come in, and errors that name the field. */
import { describe, expect, it } from 'vitest'
import { emptyDigest } from './digest.ts'
import { planSchema } from './plan.ts'
import { createRequestSchema, filesSchema } from './resource.ts'
import { parseJson, parseWith } from './schema-error.ts'
import { formatBytes, formatDuration, parseDuration, parseSize } from './units.ts'

const file = { path: 'a.jar', sizeBytes: 0, digest: emptyDigest }
const other = `sha256:${'0'.repeat(64)}`

describe('a list of files', () => {
  it('may be empty, and one digest may stand at several paths', () => {
    expect(filesSchema.safeParse([]).success).toBe(true)
    expect(filesSchema.safeParse([file, { ...file, path: 'b.jar' }]).success).toBe(true)
  })

  it.each([
    ['a path twice', [file, file]],
    ['a file inside a file', [file, { ...file, path: 'a.jar/x' }]],
    ['one digest with two sizes', [file, { ...file, path: 'b', sizeBytes: 1 }]],
    ['a size that is no whole number', [{ ...file, sizeBytes: 1.5 }]],
    ['a negative size', [{ ...file, sizeBytes: -1, digest: other }]],
    ['a size beyond what a number holds', [{ ...file, sizeBytes: 2 ** 53, digest: other }]],
    ['a digest of another algorithm', [{ ...file, digest: `md5:${'0'.repeat(32)}` }]],
  ])('with %s is refused', (_, files) => {
    expect(filesSchema.safeParse(files).success).toBe(false)
  })
})

describe('an error of a schema', () => {
  it('names the field and never repeats the whole input', () => {
    const bad = { owner: { namespace: 'x', name: 'y' }, files: [file, { ...file, path: '../x', secret: 'hunter2' }] }
    expect(() => parseWith(createRequestSchema, bad, 'the request')).toThrow(
      /the request is not valid: files\[1\].*"secret"/,
    )
    expect(() => parseWith(createRequestSchema, bad, 'the request')).not.toThrow(/hunter2/)
  })

  it('of JSON gives the position, not the text', () => {
    expect(() => parseJson('{"a": hunter2}', 'the plan')).toThrow(/^the plan is not JSON/)
    expect(() => parseJson('{"a": hunter2}', 'the plan')).not.toThrow(/hunter2/)
  })
})

describe('a plan', () => {
  it('has defaults for limits and refuses unknown keys', () => {
    const plan = planSchema.parse({ version: 1, root: '/data', items: [{ uri: 'https://h/a.jar', to: 'a.jar' }] })
    expect(plan.limits.attemptsMax).toBe(20)
    expect(planSchema.safeParse({ version: 1, root: '/data', items: [], itmes: [] }).success).toBe(false)
    expect(planSchema.safeParse({ version: 2, root: '/data', items: [] }).success).toBe(false)
    expect(planSchema.safeParse({ version: 1, root: 'data', items: [] }).success).toBe(false)
    expect(
      planSchema.safeParse({ version: 1, root: '/data', items: [{ uri: 'https://h/a', to: '../a' }] }).success,
    ).toBe(false)
    expect(planSchema.safeParse({ version: 1, root: '/data', items: [], http: { 'https://h/path': {} } }).success).toBe(
      false,
    )
  })
})

describe('units', () => {
  it('are Kubernetes quantities and Spark durations', () => {
    expect([parseSize('64Mi'), parseSize('1.5Gi'), parseSize('10M'), parseSize('123'), parseSize('2 GiB')]).toEqual([
      67108864,
      1610612736,
      1e7,
      123,
      2 ** 31,
    ])
    expect([parseDuration('30s'), parseDuration('5m'), parseDuration('250'), parseDuration('1.5h')]).toEqual([
      30000, 300000, 250, 5400000,
    ])
    for (const bad of ['', 'x', '-1', '1e9', '1 parsec', '9'.repeat(30)]) {
      expect(() => parseSize(bad)).toThrow(/is not a size/)
      expect(() => parseDuration(bad)).toThrow(/is not a duration/)
    }
  })

  it('read well', () => {
    expect([0, 1023, 1024, 1536, 10 * 2 ** 20, 2 ** 30 - 1, 5 * 2 ** 40].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1 KiB',
      '1.5 KiB',
      '10 MiB',
      '1 GiB',
      '5 TiB',
    ])
    expect([12, 2400, 60000, 200000, 7500000].map(formatDuration)).toEqual([
      '12 ms',
      '2.4 s',
      '1 m',
      '3 m 20 s',
      '2 h 5 m',
    ])
  })
})
