/** Our images are what our Dockerfiles say, understood line by line, and the same sources give the same bytes. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { command } from '../command.ts'
import { writeImages } from '../oci-layout.ts'
import { describeWith, progress, provisionTimeoutMs } from '../running.ts'
import { readContext } from './build-stage.ts'
import { parseDockerfile } from './dockerfile.ts'
import { buildImages, dockerfileTexts, lastStage, productImages, productVersion, repository } from './product-images.ts'

const texts = ['Dockerfile.server', 'Dockerfile.init'].map((name) => readFileSync(join(repository, name), 'utf8'))

describe('our Dockerfiles', () => {
  it('build the same and differ in what they run', () => {
    const [server, init] = texts.map(parseDockerfile)
    expect(server![0]).toEqual(init![0])
    const entry = (stages: typeof server) => stages![1]!.instructions.find((step) => step.keyword === 'ENTRYPOINT')
    expect(entry(server)).toMatchObject({ words: [expect.any(String), expect.any(String), 'serve'] })
    expect(entry(init)).toMatchObject({ words: [expect.any(String), expect.any(String), 'localize'] })
  })

  it('run as a user by number, who is not root, so that a cluster can check it', () => {
    for (const text of texts)
      expect(parseDockerfile(text)[1]!.instructions).toContainEqual({ keyword: 'USER', value: '65532:65532' })
  })

  it('say of what version they are, and on what base', () => {
    for (const text of texts) {
      const [, last] = parseDockerfile(text)
      const labels = last!.instructions.find((step) => step.keyword === 'LABEL')
      expect(labels).toMatchObject({
        pairs: {
          'org.opencontainers.image.version': productVersion,
          'org.opencontainers.image.base.name': last!.base,
          'org.opencontainers.image.licenses': 'Apache-2.0',
          'org.opencontainers.image.title': expect.any(String),
          'org.opencontainers.image.description': expect.any(String),
        },
      })
    }
  })

  it('are refused line by line when they say what is not understood here', () => {
    for (const line of [
      'ADD a b',
      'RUN',
      'COPY --chown=1 a b',
      'COPY a b c',
      'CMD serve',
      'ENV A B',
      'LABEL a="b" c',
      'from x',
    ])
      expect(() => parseDockerfile(`FROM base\n${line}\n`), line).toThrow(line)
    expect(() => parseDockerfile('COPY a b')).toThrow('COPY a b')
  })

  it('are read with comments, continued lines and quotes', () => {
    const [stage] = parseDockerfile(
      '# why\nFROM base AS build\nLABEL a="b c" \\\n      # why not\n      d=e\nENV F=g H="i"\n',
    )
    expect(stage).toEqual({
      base: 'base',
      name: 'build',
      instructions: [
        { keyword: 'LABEL', pairs: { a: 'b c', d: 'e' } },
        { keyword: 'ENV', pairs: { F: 'g', H: 'i' } },
      ],
    })
  })
})

describe('the same sources', () => {
  let root = ''

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'supercargo-images-'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  /** The layout of the server's image, from files written now, by somebody with other defaults. */
  async function image(name: string, mode: number): Promise<string> {
    const source = join(root, name, 'stage')
    for (const folder of ['node_modules/node/bin', 'dist']) mkdirSync(join(source, 'src', folder), { recursive: true })
    const files = {
      'node_modules/node/bin/node': '#!/bin/sh',
      'dist/supercargo.mjs': 'run()',
      'dist/worker.mjs': '',
      LICENSE: '',
    }
    for (const [path, text] of Object.entries(files)) {
      writeFileSync(join(source, 'src', path), text)
      chmodSync(join(source, 'src', path), mode)
    }
    const [building, last] = parseDockerfile(texts[0]!)
    const layout = join(root, name, 'layout')
    await writeImages(layout, [await lastStage(join(root, name, 'image'), 'test:1', last!, building!.name, source)])
    return layout
  }

  it('make the same image, whenever and by whomever it is built', async () => {
    const [one, two] = [await image('one', 0o700), await image('two', 0o755)]
    expect(readFileSync(join(one, 'index.json'), 'utf8')).toBe(readFileSync(join(two, 'index.json'), 'utf8'))
  })

  it('give everybody the right to read, and nobody to write', async () => {
    const layout = await image('one', 0o700)
    const blobs = readdirSync(join(layout, 'blobs', 'sha256')).map((name) => join(layout, 'blobs', 'sha256', name))
    const layer = blobs.find((blob) => readFileSync(blob).includes('ustar'))!
    const listed = (await command(['tar', '--numeric-owner', '-tvf', layer])).trimEnd().split('\n')
    expect(listed.length).toBeGreaterThan(5)
    for (const line of listed.filter((each) => !each.endsWith(' ./tmp/')))
      expect(line).toMatch(/^(dr|-r)w[x-]r-[x-]r-[x-] 0\/0 /)
  })
})

describeWith(['kubernetes-node'], 'our images', () => {
  let root = ''

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'supercargo-images-'))
  })
  afterEach(() => rmSync(root, { recursive: true, force: true }))

  it('have one digest, built twice from nothing in two folders', { timeout: provisionTimeoutMs }, async () => {
    const layout = await productImages(progress())
    const again = join(root, 'again')
    mkdirSync(again)
    const work = { signal: progress().signal, logFile: join(root, 'log') }
    await buildImages(again, await readContext(repository), await dockerfileTexts(), work)
    const digests = (at: string): string[] => {
      const index = JSON.parse(readFileSync(join(at, 'index.json'), 'utf8')) as { manifests: { digest: string }[] }
      return index.manifests.map(({ digest }) => digest)
    }
    expect(digests(again)).toHaveLength(2)
    expect(digests(again)).toEqual(digests(layout))
    const bill = await billIn(again)
    const names = bill.components.map(({ name }) => name)
    expect(names).toEqual(expect.arrayContaining(['node', 'fastify', 'zod', 'yaml', '@kubernetes/client-node']))
    for (const unused of ['vitest', 'esbuild', 'typescript', '@biomejs/biome']) expect(names).not.toContain(unused)
    expect(bill.metadata.component).toMatchObject({ name: 'supercargo', version: productVersion })
    process.stderr.write(await sizes(again))
  })

  interface Manifest {
    readonly layers: readonly { readonly digest: string; readonly size: number }[]
  }

  function manifestsIn(layout: string): readonly Manifest[] {
    const blob = (digest: string): unknown =>
      JSON.parse(readFileSync(join(layout, 'blobs', digest.replace(':', '/')), 'utf8'))
    const index = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as { manifests: { digest: string }[] }
    return index.manifests.map(({ digest }) => blob(digest) as Manifest)
  }

  async function billIn(layout: string): Promise<{
    readonly metadata: { readonly component: object }
    readonly components: readonly { readonly name: string }[]
  }> {
    const [layer] = manifestsIn(layout)[1]!.layers
    const tar = join(layout, 'blobs', layer!.digest.replace(':', '/'))
    return JSON.parse(await command(['tar', '-xOf', tar, './opt/supercargo/sbom.cdx.json']))
  }

  /** What a node pulls and keeps. */
  async function sizes(layout: string): Promise<string> {
    const [layer] = manifestsIn(layout)[1]!.layers
    const tar = join(layout, 'blobs', layer!.digest.replace(':', '/'))
    const packed = Number(await command(['sh', '-c', 'gzip -c "$0" | wc -c', tar]))
    const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`
    return `the image of the init container: ${megabytes(layer!.size)}, ${megabytes(packed)} to pull\n`
  }
})
