/** What the README says of plans: every source and setting that there is and no other, and examples that do what is said of them. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { hadoopSchema, httpOriginSchema, limitsSchema, planSchema } from '@supercargo/protocol'
import { expect, it } from 'vitest'
import { localize } from './localize.ts'
import { supportedSchemes } from './sources/registry.ts'
import { tokenFor, writableFile } from './testing/hadoop-tokens.ts'
import { zip } from './testing/hostile-archives.ts'
import { scriptedHdfs } from './testing/scripted-hdfs.ts'
import { scriptedServer, serve } from './testing/scripted-server.ts'
import { bytesOf, type Workbench, workbench } from './testing/workbench.ts'

const readme = readFileSync(resolve(import.meta.dirname, '../../../README.md'), 'utf8')
const section = /^## What a plan can name\n.*?(?=^## )/ms.exec(readme)![0]

/** Of the table behind this line: the names in backquotes in the first cell of each row, and the rows themselves. */
function table(before: string): { names: string[]; rows: string[][] } {
  const lines = section.slice(section.indexOf(before)).split('\n')
  const begin = lines.findIndex((line) => line.startsWith('|'))
  const end = lines.findIndex((line, index) => index > begin && !line.startsWith('|'))
  const rows = lines.slice(begin + 2, end).map((line) =>
    line
      .split('|')
      .map((cell) => cell.trim())
      .slice(1, -1),
  )
  return { names: rows.flatMap((row) => quoted(row[0]!)), rows }
}

function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1]!)
}

/** The example that uses this scheme, with other words for what is only an example. */
function example(scheme: string, words: Readonly<Record<string, string>>): unknown {
  const found = [...section.matchAll(/```json\n(.*?)```/gs)].find((match) => match[1]!.includes(`"uri": "${scheme}:`))
  let text = found![1]!
  for (const [word, other] of Object.entries(words)) {
    expect(text).toContain(word)
    text = text.replaceAll(word, other)
  }
  return JSON.parse(text)
}

const runExample = (bench: Workbench, plan: unknown, environment = {}) =>
  localize({ ...planSchema.parse(plan), root: bench.root }, { environment })

it('the table of sources has every scheme that is supported', () => {
  expect(table('| scheme |').names.toSorted()).toEqual([...supportedSchemes].toSorted())
})

it.each([
  ['\n`http`, for each origin', httpOriginSchema.shape],
  ['\n`hadoop`:', hadoopSchema.shape],
  ['\n`limits`:', limitsSchema.shape],
])('the table behind %j has every setting of the schema', (before, shape) => {
  expect(table(before).names.toSorted()).toEqual(Object.keys(shape).toSorted())
})

it('the parts of a setting are named beside it', () => {
  const said = Object.fromEntries(table('\n`hadoop`:').rows.map(([name, is]) => [quoted(name!)[0], quoted(is!)]))
  for (const [name, shape] of [
    ['kerberos', hadoopSchema.shape.kerberos.unwrap().shape],
    ['exec', hadoopSchema.shape.exec.unwrap().shape],
  ] as const)
    expect(said[name], name).toEqual(expect.arrayContaining(Object.keys(shape)))
})

it('the defaults of the limits are those of the schema', () => {
  const said = table('\n`limits`:').rows.map(([name, value]) => [quoted(name!)[0], Number(value)])
  expect(Object.fromEntries(said)).toEqual(limitsSchema.parse({}))
})

it('the table of properties of S3 has every one that is read', () => {
  const folder = join(import.meta.dirname, 'sources/s3')
  const code = ['s3-settings', 'credential-settings'].map((name) => readFileSync(join(folder, `${name}.ts`), 'utf8'))
  const read = [...code.join('').matchAll(/(?:option\(|flag\(option, |providersOf\(option, )'([a-z0-9.-]+)'/g)]
  const said = table('Properties of S3').rows.flatMap((row) => quoted(row[1]!))
  expect(read.length).toBeGreaterThan(20)
  expect([...new Set(said)].toSorted()).toEqual([...new Set(read.map((match) => match[1]!))].toSorted())
})

it('the example of a web server with a token does what is said of it', async () => {
  await using bench = await workbench()
  await using server = await scriptedServer((request, response) => {
    if (request.headers.authorization !== 'Bearer canary') return void response.writeHead(401).end()
    serve(request, response, Buffer.from('bytes of a jar'))
  })
  const token = join(bench.directory, 'token')
  await writeFile(token, 'canary\n')
  const words = { 'https://repo.example.org': server.origin, '/etc/repo/token': token }
  await runExample(bench, example('https', words))
  expect(await bench.files()).toEqual({ 'a.jar': 'bytes of a jar' })
})

it('the example of a store of S3 does what is said of it', async () => {
  await using bench = await workbench()
  await using server = await scriptedServer((request, response) => {
    const url = new URL(request.url!, 'http://x')
    if (!/Credential=key\//.test(request.headers.authorization ?? '')) return void response.writeHead(403).end()
    const listed = ['spark/a.jar', 'spark/b.jar', 'spark/notes.txt']
    const contents = listed.map((key) => `<Contents><Key>${key}</Key><Size>11</Size></Contents>`).join('')
    if (url.pathname !== '/libs' && url.pathname !== '/libs/')
      return serve(request, response, Buffer.from(url.pathname.slice(6)), { etag: '"1"' })
    expect(url.searchParams.get('prefix')).toBe('spark/')
    response.end(`<ListBucketResult>${contents}<IsTruncated>false</IsTruncated></ListBucketResult>`)
  })
  const environment = { AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' }
  await runExample(bench, example('s3a', { 'https://s3.example.org': server.origin }), environment)
  expect(await bench.files()).toEqual({ 'a.jar': 'spark/a.jar', 'b.jar': 'spark/b.jar' })
})

it('the example of an archive in HDFS does what is said of it', async () => {
  await using bench = await workbench()
  const weights = bytesOf(10_000)
  const archive = zip([{ name: 'weights', body: weights }])
  await using hdfs = await scriptedHdfs({ '/models/model.zip': { bytes: archive } })
  const token = join(bench.directory, 'token')
  await writeFile(token, writableFile([tokenFor('ha-hdfs:cargo')]))
  const words = {
    '/etc/hadoop/token': token,
    'https://nn1.example.org:9871': 'http://127.0.0.1:1',
    'https://nn2.example.org:9871': hdfs.nameNode.origin,
  }
  await runExample(bench, example('hdfs', words))
  expect(await bench.files()).toEqual({ 'model/weights': weights.toString('latin1') })
  const asked = new URL(hdfs.nameNode.requests[0]!.path, 'http://x').searchParams
  expect(asked.get('delegation')).toBeTruthy()
})
