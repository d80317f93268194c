/** The fork's properties: its keys, its defaults, its bundles, and how a plan file is told from them. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { forkPlans } from './fork-plan.ts'
import { localize } from './localize.ts'
import { readPlan } from './read-plan.ts'
import { tar } from './testing/hostile-archives.ts'
import { scriptedServer, serve } from './testing/scripted-server.ts'
import { bytesOf, type Workbench, workbench } from './testing/workbench.ts'

const init = 'spark.kubernetes.initcontainer'
const mounts = 'spark.kubernetes.mountdependencies'

function plansOf(properties: Record<string, string>) {
  return forkPlans(new Map(Object.entries(properties)))
}

describe("the fork's properties", () => {
  it('mean two roots with its default paths', () => {
    expect(plansOf({}).map(({ root, items }) => [root, items])).toEqual([
      ['/var/spark-data/spark-jars', []],
      ['/var/spark-data/spark-files', []],
    ])
  })

  it('name bundles by the 2017 routes, with their secrets', () => {
    const [jars, files] = plansOf({
      'spark.kubernetes.resourceStagingServer.uri': 'http://host:10000/',
      [`${init}.downloadJarsResourceIdentifier`]: 'jarsId',
      [`${init}.downloadJarsSecretLocation`]: '/s/jars',
      [`${init}.downloadFilesResourceIdentifier`]: 'filesId',
    })
    expect(jars!.items).toEqual([
      { uri: 'http://host:10000/api/v0/resources/jarsId', to: '.', unpack: true, secretFile: '/s/jars' },
    ])
    expect(files!.items).toEqual([
      {
        uri: 'http://host:10000/api/v0/resources/filesId',
        to: '.',
        unpack: true,
        secretFile: '/mnt/secrets/spark-init/downloadSubmittedFilesSecret',
      },
    ])
  })

  it('without a server or without an identifier name no bundle', () => {
    for (const properties of [
      { 'spark.kubernetes.resourceStagingServer.uri': 'http://h' },
      { [`${init}.downloadJarsResourceIdentifier`]: 'x' },
    ]) {
      expect(plansOf(properties).flatMap(({ items }) => items)).toEqual([])
    }
  })

  it('say how stores of Hadoop are reached, and patterns keep the names of what they match', () => {
    const endpoint = { 'spark.hadoop.fs.s3a.endpoint': 'http://store:9000' }
    const properties = { ...endpoint, [`${init}.remoteJars`]: 's3a://b/libs/*.jar,s3a://b/c.jar', 'spark.x': 'y' }
    const [jars] = forkPlans(new Map(Object.entries(properties)), '/etc/hadoop/conf')
    expect(jars!.hadoop).toEqual({ confDirectory: '/etc/hadoop/conf', properties: endpoint })
    expect(jars!.items.map((item) => item.to)).toEqual(['.', 'c.jar'])
  })

  it('list remote URIs by commas, under their decoded last segment', () => {
    const [jars, files] = plansOf({
      [`${init}.remoteJars`]: 'http://h/a/b.jar, http://h/c%20d.jar?q=1 ,,',
      [`${init}.remoteFiles`]: 'https://h/x.csv#frag,https://h/env.tar.gz',
    })
    expect(jars!.items.map((item) => item.to)).toEqual(['b.jar', 'c d.jar'])
    expect(files!.items).toEqual([
      { uri: 'https://h/x.csv#frag', to: 'x.csv', unpack: false },
      { uri: 'https://h/env.tar.gz', to: 'env.tar.gz', unpack: false },
      { uri: 'https://h/env.tar.gz', to: '.', unpack: true },
    ])
  })

  it('refuse a remote URI without a file name', () => {
    expect(() => plansOf({ [`${init}.remoteJars`]: 'http://user:canary@h/dir/?canary' })).toThrow(
      expect.objectContaining({ code: 'no-file-name', message: expect.not.stringContaining('canary') }),
    )
  })

  it.each([
    ['5', 300_000],
    ['30s', 30_000],
    ['2m', 120_000],
    ['1h', 3_600_000],
  ])('bound the run by mountTimeout=%s', (text, deadlineMs) => {
    expect(plansOf({ [`${mounts}.mountTimeout`]: text })[0]!.limits.deadlineMs).toBe(deadlineMs)
  })

  it('trust a PEM certificate, and say that a Java trust store cannot be read', () => {
    const tls = 'spark.ssl.kubernetes.resourceStagingServer'
    const base = { 'spark.kubernetes.resourceStagingServer.uri': 'https://h:1/x' }
    expect(plansOf({ ...base, [`${tls}.clientCertPem`]: '/c.pem' })[0]!.http).toEqual({
      'https://h:1': { caFile: '/c.pem' },
    })
    expect(() => plansOf({ ...base, [`${tls}.trustStore`]: '/t.jks' })).toThrow(
      expect.objectContaining({ code: 'trust-store' }),
    )
  })

  it('put both kinds into one root when it is one directory', () => {
    const plans = plansOf({
      [`${mounts}.jarsDownloadDir`]: '/d',
      [`${mounts}.filesDownloadDir`]: '/d',
      [`${init}.remoteJars`]: 'http://h/a',
      [`${init}.remoteFiles`]: 'http://h/b',
    })
    expect(plans.map(({ root, items }) => [root, items.map(({ to }) => to)])).toEqual([['/d', ['a', 'b']]])
  })
})

/** The properties as `java.util.Properties.store` writes them. */
async function forkRun(bench: Workbench, origin: string, more: Record<string, string> = {}) {
  await writeFile(join(bench.directory, 'secret'), 'raw-secret-of-the-bundle\n')
  const properties = {
    'spark.kubernetes.resourceStagingServer.uri': `\${env:SERVER}`,
    [`${init}.downloadJarsResourceIdentifier`]: 'id',
    [`${init}.downloadJarsSecretLocation`]: join(bench.directory, 'secret'),
    [`${mounts}.jarsDownloadDir`]: join(bench.root, 'jars'),
    [`${mounts}.filesDownloadDir`]: join(bench.root, 'files'),
    ...more,
  }
  const escaped = Object.entries(properties).map(([key, value]) => `${key}=${value.replaceAll(/[:=]/g, '\\$&')}`)
  const file = join(bench.directory, 'spark-init.properties')
  await writeFile(
    file,
    `#Java properties built from Kubernetes config map with name: $configMapKey\n#Mon Jun 05\n${escaped.join('\n')}\n`,
  )
  return await localize(await readPlan(file, { SERVER: origin }))
}

describe('a 2017 bundle', () => {
  const bundle = gzipSync(
    tar([
      { name: 'a.jar', body: bytesOf(100) },
      { name: 'dir/b.jar', body: 'b' },
    ]),
  )

  it('is fetched with the raw secret and unpacked', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) =>
      serve(request, response, request.url === '/x.csv' ? Buffer.from('csv') : bundle),
    )
    await forkRun(bench, server.origin, { [`${init}.remoteFiles`]: server.url('/x.csv') })
    expect(Object.keys(await bench.files()).filter((path) => !path.includes('.supercargo'))).toEqual([
      'files/x.csv',
      'jars/a.jar',
      'jars/dir/b.jar',
    ])
    const request = server.requests.find(({ path }) => path === '/api/v0/resources/id')!
    expect(request.headers.authorization).toBe('raw-secret-of-the-bundle')
    const seen = server.requests.length
    await forkRun(bench, server.origin, { [`${init}.remoteFiles`]: server.url('/x.csv') })
    expect(server.requests.length).toBe(seen)
  })

  it.each([
    [401, 'denied'],
    [404, 'notFound'],
  ])('that is answered with %d fails at once', async (status, kind) => {
    await using bench = await workbench()
    await using server = await scriptedServer((_, response) =>
      response.writeHead(status, { 'content-type': 'text/html' }).end('<html>'),
    )
    const began = performance.now()
    await expect(forkRun(bench, server.origin)).rejects.toMatchObject({ kind })
    expect(performance.now() - began).toBeLessThan(2000)
  })

  it('that would leave its directory is refused, and neither root changes', async () => {
    await using bench = await workbench()
    await using server = await scriptedServer((request, response) =>
      serve(
        request,
        response,
        request.url === '/x.csv' ? Buffer.from('csv') : gzipSync(tar([{ name: '../evil', body: 'x' }])),
      ),
    )
    await expect(
      forkRun(bench, server.origin, { [`${init}.remoteFiles`]: server.url('/x.csv') }),
    ).rejects.toMatchObject({ kind: 'unsafe' })
    expect(Object.keys(await bench.files()).filter((path) => !path.includes('.supercargo'))).toEqual([])
    expect((await readdir(bench.root)).sort()).toEqual(['files', 'jars'])
  })
})

describe('a plan file', () => {
  it.each([
    ['plan.json', '', 'bad-json'],
    ['plan.json', 'text', 'bad-json'],
    ['plan', '{"version":1', 'bad-json'],
    ['plan', 'hello world', 'bad-plan'],
    ['plan', '{"version":2,"root":"/r","items":[]}', 'bad-plan'],
    ['plan', '{"version":1,"root":"/r","items":[],"itmes":[]}', 'bad-plan'],
    ['plan', '{"version":1,"root":"r","items":[]}', 'bad-plan'],
    ['plan', '{"version":1,"root":"/r","items":[{"uri":"http://h/a","to":"../x"}]}', 'bad-plan'],
    ['plan', '{"version":1,"root":"/r","items":[{"uri":"http://h/a","to":".supercargo/x"}]}', 'bad-plan'],
  ])('%s with %j is refused as %s', async (name, text, code) => {
    await using bench = await workbench()
    const file = join(bench.directory, name)
    await writeFile(file, text)
    await expect(readPlan(file, {})).rejects.toMatchObject({ kind: 'invalid', code })
  })

  it('that is missing or a directory is named', async () => {
    await using bench = await workbench()
    await mkdir(join(bench.directory, 'd'))
    for (const name of ['missing', 'd']) {
      await expect(readPlan(join(bench.directory, name), {})).rejects.toMatchObject({
        message: expect.stringContaining(join(bench.directory, name)),
      })
    }
  })

  it('is told from properties by its content, also with a byte order mark', async () => {
    await using bench = await workbench()
    const file = join(bench.directory, 'plan')
    await writeFile(file, '\ufeff {"version":1,"root":"/r","items":[]}')
    expect((await readPlan(file, {})).map(({ root }) => root)).toEqual(['/r'])
    await writeFile(file, `${mounts}.jarsDownloadDir=/j\n`)
    expect((await readPlan(file, {})).map(({ root }) => root)).toEqual(['/j', '/var/spark-data/spark-files'])
  })
})
