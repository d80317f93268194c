/** The chart: it is sound, renders what its golden files say, is what the base says, and refuses what contradicts itself. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { exposures, namespaced } from './exposures.ts'
import { chart, helm, setting, tryHelm } from './helm.ts'
import type { HelmDetails } from './start.ts'

const golden = join(import.meta.dirname, 'golden')
const base = join(chart, '..', 'base')
const generated = '# Made of deploy/chart with its default values: edit that, and run its test with --update.\n'

describeWith(['helm'], 'the chart', () => {
  let program: HelmDetails
  let folder: string

  beforeAll(async () => {
    program = await running('helm')
    folder = await mkdtemp(join(tmpdir(), 'supercargo-chart-'))
  }, provisionTimeoutMs)
  afterAll(() => rm(folder, { recursive: true }))

  const render = async (...options: string[]): Promise<string> => {
    const text = await helm(program, ['template', 'supercargo', chart, '--namespace', 'supercargo', ...options])
    const tidy = text.replace(/^# Source: .*\n/gm, '').replace(/[ \t]+$/gm, '')
    return `${tidy.replace(/\n{2,}(?=---\n)/g, '\n').trimEnd()}\n`
  }

  it('is sound to its smallest complaint', async () => {
    expect(await helm(program, ['lint', '--strict', '--quiet', chart])).toBe('')
  })

  it.each(['rbac', 'server'])('with its default values is the %s of the base', async (name) => {
    const text = await render('--show-only', `templates/${name}.yaml`)
    await expect(generated + text).toMatchFileSnapshot(join(base, `${name}.yaml`))
  })

  it.each(Object.keys(exposures))('renders %s as its golden file says', async (name) => {
    const without = setting({ 'rbac.create': false, 'rbac.people': false })
    const text = await render('--no-hooks', ...without, '--values', await valuesFile(exposures[name]!))
    await expect(text).toMatchFileSnapshot(join(golden, `${name}.yaml`))
  })

  it('renders rights in some namespaces, for a second release, as its golden file says', async () => {
    const text = await render('--show-only', 'templates/rbac.yaml', '--values', await valuesFile(namespaced))
    await expect(text).toMatchFileSnapshot(join(golden, 'namespaced.yaml'))
  })

  it('renders the test of a release as its golden file says, with a certificate and without rights to ask', async () => {
    const shown = ['--show-only', 'templates/tests/localize.yaml']
    const text = await render(...shown, ...setting({ 'tls.secretName': 'cargo-tls' }))
    await expect(text).toMatchFileSnapshot(join(golden, 'test.yaml'))
    const open = await render(...shown, ...setting({ auth: 'none', allowAnonymous: true }))
    expect(open).not.toMatch(/token|RoleBinding/)
  })

  it('gives the objects of two releases names of their own', async () => {
    const other = await helm(program, ['template', 'blue', chart, ...setting({ 'rbac.people': false })])
    const kinds = other
      .split(/^---$/m)
      .map((text) => parse(text) as { kind: string; metadata: { name: string } } | null)
    const names = kinds.filter((each) => each !== null).map(({ metadata }) => metadata.name)
    expect(names.length).toBeGreaterThan(8)
    expect(names.filter((name) => !name.startsWith('blue-supercargo'))).toEqual([])
  })

  describe('refuses', () => {
    it.each([
      ['a slip', { replicaz: 2 }, "'replicaz' not allowed"],
      ['a slip further in', { ingress: { hots: 'a' } }, "at '/ingress': additional properties 'hots' not allowed"],
      ['a word for a number', { replicas: 'two' }, "at '/replicas': got string, want integer"],
      ['an unknown type of Service', { service: { type: 'Nodeport' } }, "at '/service/type': value must be one of"],
      ['an address for a name', { ingress: { host: 'https://a.b' } }, "at '/ingress/host'"],
      ['a store of an unknown kind', { store: { url: '/data' } }, "at '/store/url'"],
      ['a size without sense', { store: { volume: { size: 'large' } } }, "at '/store/volume/size'"],
      ['several servers on one volume', { replicas: 2 }, 'keep one replica, or set store.url'],
      [
        'two stores',
        { store: { url: 's3://a/b', volume: { existingClaim: 'c' } } },
        'store.url and store.volume.existingClaim name two stores',
      ],
      ['everybody by omission', { auth: 'none' }, 'set allowAnonymous to true if that is meant'],
      ['everybody and only some', { allowAnonymous: true }, 'keep one of them'],
      ['two certificates', { tls: { secretName: 'a', issuerRef: { name: 'b' } } }, 'tls.issuerRef has one made'],
      ['a node port of a Service without one', { service: { nodePort: 31000 } }, 'needs service.type NodePort'],
      [
        'a traffic policy without outside',
        { service: { externalTrafficPolicy: 'Local' } },
        'needs service.type NodePort',
      ],
      [
        'two addresses',
        { ingress: { enabled: true }, httpRoute: { enabled: true, parentRefs: [{ name: 'a' }] } },
        'say with publicUrl which of them submitters use',
      ],
      ['a certificate for no name', { ingress: { enabled: true, tls: true } }, 'ingress.tls needs ingress.host'],
      ['a route to no Gateway', { httpRoute: { enabled: true } }, 'the Gateway that it belongs to'],
      ['no account', { serviceAccount: { create: false } }, 'serviceAccount.name says which one is used'],
      ['a setting that is a value', { config: { publicUrl: 'http://a' } }, 'config.publicUrl is not set there'],
    ] as const)('%s', async (_, values, message) => {
      const { exitCode, stderr } = await tryHelm(program, [
        'template',
        'a',
        chart,
        '--values',
        await valuesFile(values),
      ])
      expect(exitCode).not.toBe(0)
      expect(stderr).toContain(message)
    })
  })

  it('checks every value that it has, and has every value that it checks', async () => {
    const values = parse(await readFile(join(chart, 'values.yaml'), 'utf8')) as object
    const schema = JSON.parse(await readFile(join(chart, 'values.schema.json'), 'utf8')) as Schema
    expect(keysOfSchema(schema).filter((key) => key !== 'global')).toEqual(keysOf(values, schema))
  })

  it('is of the version of the product', async () => {
    const { version } = JSON.parse(await readFile(join(chart, '../../package.json'), 'utf8')) as { version: string }
    const known = parse(await readFile(join(chart, 'Chart.yaml'), 'utf8')) as { version: string; appVersion: string }
    expect([known.version, known.appVersion]).toEqual([version, version])
  })

  async function valuesFile(values: object): Promise<string> {
    const file = join(folder, 'values.json')
    await writeFile(file, JSON.stringify(values))
    return file
  }
})

interface Schema {
  readonly additionalProperties?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
}

/** Objects whose keys are not ours to name end the walk. */
function keysOfSchema(schema: Schema, prefix = ''): string[] {
  return Object.entries(schema.properties ?? {})
    .flatMap(([key, each]) =>
      each.additionalProperties === false && key !== 'issuerRef'
        ? keysOfSchema(each, `${prefix}${key}.`)
        : `${prefix}${key}`,
    )
    .sort()
}

function keysOf(values: object, schema: Schema, prefix = ''): string[] {
  return Object.entries(values)
    .flatMap(([key, value]) => {
      const known = schema.properties?.[key]
      return known?.additionalProperties === false && key !== 'issuerRef'
        ? keysOf(value as object, known, `${prefix}${key}.`)
        : `${prefix}${key}`
    })
    .sort()
}
