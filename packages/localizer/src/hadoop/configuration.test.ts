/** Hadoop's configuration: precedence, references, final properties, and everything that is refused rather than guessed. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test looks like a template
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type HadoopConfiguration, readHadoopConfiguration } from './configuration.ts'

const directories: string[] = []

afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true })
})

async function directoryWith(files: Record<string, string>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'supercargo-hadoop-'))
  directories.push(directory)
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
  return directory
}

function site(inner: string): string {
  return `<?xml version="1.0"?>\n<?xml-stylesheet type="text/xsl" href="configuration.xsl"?>\n<!-- site -->\n<configuration>\n${inner}\n</configuration>\n`
}

function property(name: string, value: string, more = ''): string {
  return `<property><name>${name}</name><value>${value}</value>${more}</property>`
}

async function read(
  core: string,
  options: { hdfs?: string; properties?: Record<string, string>; environment?: Record<string, string> } = {},
): Promise<HadoopConfiguration> {
  const files = { 'core-site.xml': core, ...(options.hdfs === undefined ? {} : { 'hdfs-site.xml': options.hdfs }) }
  const confDirectory = await directoryWith(files)
  return readHadoopConfiguration({ confDirectory, properties: options.properties }, undefined, options.environment)
}

describe('a Hadoop configuration', () => {
  it('is empty where the plan says nothing', async () => {
    const configuration = await readHadoopConfiguration(undefined)
    expect([configuration.get('fs.defaultFS'), [...configuration.keys()]]).toEqual([undefined, []])
  })

  it('takes hdfs-site over core-site, and the properties of the plan over both, with and without the prefix of Spark', async () => {
    const configuration = await read(site(property('a', 'core') + property('b', 'core') + property('c', 'core')), {
      hdfs: site(property('b', 'hdfs') + property('c', 'hdfs')),
      properties: { 'spark.hadoop.c': 'plan', d: 'plan' },
    })
    expect(['a', 'b', 'c', 'd', 'e'].map((key) => configuration.get(key))).toEqual([
      'core',
      'hdfs',
      'plan',
      'plan',
      undefined,
    ])
    expect([...configuration.keys()].sort()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('keeps a final property against later files, and not against the plan', async () => {
    const final = '<final>true</final>'
    const hdfs = site(property('a', 'later') + property('b', 'later'))
    const core = site(property('a', 'first', final) + property('b', 'first', '<final>false</final>'))
    const configuration = await read(core, { hdfs, properties: { 'spark.hadoop.a': 'plan' } })
    expect([configuration.get('a'), configuration.get('b')]).toEqual(['plan', 'later'])
    expect((await read(core, { hdfs })).get('a')).toBe('first')
  })

  it.each([
    ['another property', '${host}:8020', 'nn:8020'],
    ['a property of a reference', '${${which}}', 'nn'],
    ['a chain of references', '${chain}', 'nn!'],
    ['a variable of the environment', '${env.USER}', 'alice'],
    ['a variable of the environment that is set, not its default', '${env.USER:-bob}', 'alice'],
    ['a default for an unset variable', '${env.NONE-bob}', 'bob'],
    ['a default for an empty variable', '${env.EMPTY:-bob}', 'bob'],
    ['an empty variable, which is set', 'x${env.EMPTY-bob}', 'x'],
    ['what is unbound as it is written', 'a${none}b', 'a${none}b'],
    ['what leads back to itself as it is written', '${self}', '${self}'],
    ['two that lead to each other as they are written', '${ping}', '${ping}'],
    ['a dollar alone', '$5 $x {y}', '$5 $x {y}'],
  ])('replaces %s', async (_, value, expected) => {
    const others = { host: 'nn', which: 'host', chain: '${link}!', link: '${host}', self: '${self}' }
    const circle = { ping: '${pong}', pong: '${ping}' }
    const core = Object.entries({ ...others, ...circle, key: value }).map(([name, text]) => property(name, text))
    const configuration = await read(site(core.join('')), { environment: { USER: 'alice', EMPTY: '' } })
    expect(configuration.get('key')).toBe(expected)
  })

  it('refuses references that nest without end, and does not show them', async () => {
    const links = Array.from({ length: 30 }, (_, index) => property(`a${index}`, `\${a${index + 1}}`))
    const configuration = await read(site(links.join('') + property('a30', 'secret')))
    expect(configuration.get('a15')).toBe('secret')
    expect(() => configuration.get('a0')).toThrow(/"a0" has more than 20 references/)
  })

  it('reads entities, CDATA, comments, attributes and nested configurations as XML means them', async () => {
    const configuration = await read(
      `\ufeff${site(`
        ${property(' padded ', '\n  x &amp; &lt;y&gt; &#65;&#x42; \n')}
        ${property('cdata', 'a<![CDATA[<&amp;>]]>b')}
        ${property('comment', 'a<!-- no -->b')}
        <property name="attribute" value="1 &amp; 2"/>
        <property><name>empty</name><value></value></property>
        <property><name>no-value</name></property>
        <property><value>no name</value></property>
        <description>of nothing</description>
        <configuration>${property('nested', 'yes')}</configuration>`)}`,
    )
    const found = Object.fromEntries([...configuration.keys()].map((key) => [key, configuration.get(key)]))
    expect(found).toEqual({
      padded: 'x & <y> AB',
      cdata: 'a<&amp;>b',
      comment: 'ab',
      attribute: '1 & 2',
      empty: '',
      nested: 'yes',
    })
  })

  it('knows deprecated names by their current ones, both ways', async () => {
    const configuration = await read(site(property('fs.default.name', 'hdfs://nn')))
    expect([configuration.get('fs.defaultFS'), configuration.get('fs.default.name')]).toEqual([
      'hdfs://nn',
      'hdfs://nn',
    ])
    expect([...configuration.keys()]).toEqual(['fs.defaultFS'])
  })

  it.each([
    ['an inclusion', site('<xi:include href="other.xml"/>'), 'includes another file'],
    ['an inclusion without a prefix', site('<include href="other.xml"/>'), 'includes another file'],
    ['a document type', `<!DOCTYPE x [<!ENTITY a "b">]>${site('')}`, 'document type'],
    ['an unknown entity', site(property('a', '&secret-word;')), 'is not XML|entity'],
    ['another entity', site(property('a', '&nbsp;')), 'entity'],
    ['an element in a value', site(property('a', 'x<b>y</b>')), 'element <b>'],
    ['unbalanced tags', '<configuration><property></configuration>', 'is not XML: line 1'],
    ['another root', '<project/>', 'another root'],
    ['text', 'fs.defaultFS=hdfs://nn', 'is not XML'],
    ['nothing', '', 'is not XML'],
    ['a character that is none', site(property('a', '&#x110000;')), 'character'],
  ])('refuses %s and names the file', async (_, core, reason) => {
    const refused = await read(core).catch((error: unknown) => error)
    expect(refused).toMatchObject({
      kind: 'invalid',
      code: 'bad-hadoop-configuration',
      message: expect.stringMatching(new RegExp(`core-site\\.xml .*(${reason})`)),
    })
  })

  it('names a directory that has neither file, and one that is not there', async () => {
    const confDirectory = await directoryWith({ 'yarn-site.xml': site('') })
    const absent = join(confDirectory, 'absent')
    for (const directory of [confDirectory, absent])
      await expect(readHadoopConfiguration({ confDirectory: directory })).rejects.toMatchObject({
        code: 'no-hadoop-configuration',
        message: expect.stringContaining(directory),
      })
    expect(
      (await readHadoopConfiguration({ confDirectory: await directoryWith({ 'hdfs-site.xml': site('') }) })).get('a'),
    ).toBe(undefined)
  })

  it('is not read after the signal', async () => {
    const confDirectory = await directoryWith({ 'core-site.xml': site('') })
    const stopped = AbortSignal.abort(new Error('enough'))
    await expect(readHadoopConfiguration({ confDirectory }, stopped)).rejects.toMatchObject({
      kind: 'interrupted',
      code: 'aborted',
    })
  })
})
