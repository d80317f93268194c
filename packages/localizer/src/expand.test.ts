/** Expanding: every conflict that can be known is found before the first byte, and both inputs are named. */
import { describe, expect, it } from 'vitest'
import { type Expanding, expandRoot } from './expand.ts'
import type { RootPlan } from './root-plan.ts'
import { scriptedServer } from './testing/scripted-server.ts'
import { workbench } from './testing/workbench.ts'

const id = 'a'.repeat(26)
const digest = `sha256:${'0'.repeat(64)}` as const
const expanding: Expanding = {
  listings: new Map(),
  manifests: new Map([[id, [{ path: 'spark-jars/a.jar', sizeBytes: 3, digest }]]]),
  identity: (item) => JSON.stringify(item),
  shown: (item) => (item.kind === 'uri' ? item.uri : item.path),
}

function expand(items: readonly object[]) {
  return expandRoot({ root: '/r', items, limits: {} } as unknown as RootPlan, expanding)
}

const uri = (to: string, more: object = {}) => ({ uri: `http://h/${to.length}`, to, unpack: false, ...more })

describe('a URI of many files', () => {
  const many = 'h://x/lib/*'
  const listing = (...paths: string[]): Expanding => ({
    ...expanding,
    listings: new Map([
      [many, paths.map((path) => ({ item: { kind: 'uri', uri: `h://x/${path}` }, path, sizeBytes: 1 }))],
    ]),
  })
  const expandMany = (item: object, ...paths: string[]) =>
    expandRoot({ root: '/r', items: [{ uri: many, unpack: false, ...item }] } as unknown as RootPlan, listing(...paths))

  it.each([
    ['.', false, ['a.jar', 'b/c.jar']],
    ['lib', false, ['lib/a.jar', 'lib/b/c.jar']],
    ['env', true, ['env', 'env']],
  ])('becomes an input for each, at %s (unpacked: %s)', (to, unpack, expected) => {
    const { inputs } = expandMany({ to, unpack }, 'a.jar', 'b/c.jar')
    expect(inputs.map((input) => [input.to, input.sizeBytes])).toEqual(expected.map((path) => [path, 1]))
  })

  it.each([
    ['a name that leads out', { to: 'x' }, ['../a'], 'unsafe-name'],
    ['an absolute name', { to: 'x' }, ['/a'], 'unsafe-name'],
    ['a path that becomes too long', { to: `${'x/'.repeat(500)}x` }, [`${'y/'.repeat(100)}y`], 'unsafe-name'],
    ['equal names', { to: 'x' }, ['a', 'a'], 'same-target'],
    ['a digest for all', { to: 'x', digest }, ['a'], 'digest-of-many'],
    ['a size for all', { to: 'x', sizeBytes: 1 }, ['a'], 'digest-of-many'],
  ])('is refused with %s', (_, item, paths, code) => {
    expect(() => expandMany(item, ...paths)).toThrow(expect.objectContaining({ code }))
  })
})

describe('a plan', () => {
  it('becomes inputs in its order, staged files below their target', () => {
    const { inputs } = expand([
      { resource: id, secretFile: '/s', to: 'x' },
      uri('b'),
      { uri: 'local:///opt/c', to: 'c', unpack: false },
    ])
    expect(inputs.map((input) => [input.to, input.digest])).toEqual([
      ['x/spark-jars/a.jar', digest],
      ['b', undefined],
    ])
  })

  it.each([
    ['two items', [uri('a'), uri('a', { uri: 'http://h/other' })]],
    ['a staged file and an item', [{ resource: id, secretFile: '/s', to: '.' }, uri('spark-jars/a.jar')]],
    ['names that are one after normalisation', [uri('e\u0301'), uri('\u00e9')]],
    ['a file above a file', [uri('lib'), uri('lib/a')]],
    ['a file above a staged file', [uri('spark-jars'), { resource: id, secretFile: '/s', to: '.' }]],
    ['a file where an archive goes', [uri('env'), uri('env', { unpack: true, uri: 'http://h/e' })]],
    ['a file above an archive', [uri('env'), uri('env/x', { unpack: true })]],
    [
      'one resource twice',
      [
        { resource: id, secretFile: '/s', to: '.' },
        { resource: id, secretFile: '/s', to: '.' },
      ],
    ],
  ])('with %s at one target is refused, and both are named', (_, items) => {
    expect(() => expand(items)).toThrow(
      expect.objectContaining({
        kind: 'conflict',
        code: 'same-target',
        message: expect.stringMatching(/items\[0\].*items\[1\]/),
      }),
    )
  })

  it('without conflicts is none, however near', () => {
    expect(
      expand([uri('a'), uri('A'), uri('a.b'), uri('lib/a'), uri('lib/b'), uri('env', { unpack: true }), uri('env/x')])
        .inputs.length,
    ).toBe(7)
  })

  it('that names the root itself as a file is refused', () => {
    expect(() => expand([uri('.')])).toThrow(expect.objectContaining({ code: 'no-file-name' }))
  })

  it('gives equal contents one name and different ones different names', () => {
    const { inputs } = expand([
      uri('a', { uri: 'http://h/1', digest }),
      uri('b', { uri: 'http://h/2', digest }),
      uri('c', { uri: 'http://h/1' }),
    ])
    expect(inputs[0]!.content).toBe(inputs[1]!.content)
    expect(inputs[0]!.content).not.toBe(inputs[2]!.content)
    expect(new Set(inputs.map(({ key }) => key)).size).toBe(3)
  })
})

describe('before the first byte', () => {
  it('conflicts are found', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((_, response) => response.end())
    const items = [
      { uri: server.url('/a'), to: 'x' },
      { uri: server.url('/b'), to: 'x' },
    ]
    await expect(bench.run(items)).rejects.toMatchObject({ code: 'same-target' })
    expect(server.requests).toEqual([])
  })

  it.each(['s4://b/k', 'har://n/k', 'maprfs://n/k', 'ftp://h/k', 'gs://b/k', 'data:,x', 'mailto:x'])(
    '%s is refused by its scheme',
    async (other) => {
      await using bench = await workbench()
      await using server = await scriptedServer((_, response) => response.end())
      await expect(
        bench.run([
          { uri: server.url('/a'), to: 'a' },
          { uri: other, to: 'x' },
        ]),
      ).rejects.toMatchObject({
        kind: 'invalid',
        code: 'unsupported-scheme',
        hint: expect.stringMatching(/http, https, .*file, local/),
      })
      expect(server.requests).toEqual([])
    },
  )

  it.each([
    's3a:///k',
    's3a://key:canary@b/k',
    's3a://b/a/../k',
    's3a://b/k?x=1',
    'http://',
    'http://h:99999/x',
    'http://h:0/x',
    'http://[::1/x',
    '',
  ])('the URI %j is refused', async (bad) => {
    await using bench = await workbench()
    await expect(bench.run([{ uri: `${bad}` || ' ', to: 'x' }])).rejects.toMatchObject({
      kind: 'invalid',
      code: 'bad-uri',
    })
  })

  it('a resource without a staging server is refused', async () => {
    await using bench = await workbench()
    await expect(bench.run([{ resource: id, secretFile: '/s' }])).rejects.toMatchObject({
      kind: 'invalid',
      code: 'no-staging-server',
    })
  })
})
