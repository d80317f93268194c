/** Our images are what our Dockerfiles say, understood line by line, and the same sources give the same bytes. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { command } from '../command.ts'
import { writeImages } from '../oci-layout.ts'
import { parseDockerfile } from './dockerfile.ts'
import { lastStage, repository } from './product-images.ts'

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

  it('make the same bundle in another folder', async () => {
    const build = ['node', join(repository, 'test', 'build', 'build.ts'), '--out']
    for (const name of ['one', 'another/place']) await command([...build, join(root, name)])
    const files = readdirSync(join(root, 'one')).sort()
    expect(readdirSync(join(root, 'another', 'place')).sort()).toEqual(files)
    for (const file of files)
      expect(
        readFileSync(join(root, 'one', file)).equals(readFileSync(join(root, 'another', 'place', file))),
        file,
      ).toBe(true)
  })
})
