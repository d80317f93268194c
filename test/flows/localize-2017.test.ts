/** The fork's init-container, replaced: its properties file, its bundle routes, its two mounts, on the real server. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { type LocalizeIo, localizeCommand } from '@supercargo/localizer'
import { packBundle } from '@supercargo/transfer'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type ServerForTest, startServer } from './server-for-test.ts'

let server: ServerForTest
let work: string

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), 'supercargo-2017-'))
  for (const name of ['jars', 'files', 'secrets']) await mkdir(join(work, name))
})
afterEach(() => rm(work, { recursive: true, force: true }))

/** An upload as the 2017 client made it: a gzipped tar in a part without a file name. */
async function upload(
  files: Readonly<Record<string, string>>,
): Promise<{ resourceId: string; resourceSecret: string }> {
  const entries = Readable.from(Object.entries(files).map(([name, bytes]) => ({ name, bytes: Buffer.from(bytes) })))
  const bundle = await new Response(Readable.toWeb(packBundle(entries).pipe(createGzip())) as ReadableStream).bytes()
  const boundary = 'ff5e2c1e-2017'
  const owner = JSON.stringify({ ownerNamespace: 'spark', ownerLabels: { 'spark-app-id': 'a' }, ownerType: 'Pod' })
  const part = (name: string, type: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\nContent-Type: ${type}\r\n\r\n`
  const body = Buffer.concat([
    Buffer.from(part('resources', 'multipart/form-data')),
    bundle,
    Buffer.from(`\r\n${part('resourcesOwner', 'application/json')}${owner}\r\n--${boundary}--\r\n`),
  ])
  const response = await fetch(`${server.url}/api/v0/resources/`, {
    method: 'POST',
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    body,
  })
  expect(response.status).toBe(200)
  return (await response.json()) as { resourceId: string; resourceSecret: string }
}

interface Ran {
  readonly exitCode: number
  readonly said: string
  readonly log: unknown
}

async function run(properties: Readonly<Record<string, string>>): Promise<Ran> {
  const file = join(work, 'spark-init.properties')
  const lines = Object.entries(properties).map(([key, value]) => `${key}=${value.replaceAll(':', '\\:')}`)
  await writeFile(
    file,
    `#Java properties built from Kubernetes config map\n#Mon Jun 05 12:00:00 UTC 2017\n${lines.join('\n')}\n`,
  )
  const log = join(work, 'termination-log')
  const said: string[] = []
  const io: LocalizeIo = { stdout: (line) => said.push(line), stderr: (line) => said.push(line), env: {} }
  const exitCode = await localizeCommand([file, '--termination-log', log], io)
  return { exitCode, said: said.join(''), log: JSON.parse(await readFile(log, 'utf8')) }
}

/** What the fork's driver writes into the ConfigMap and the Secret. */
async function propertiesOf(jars: { resourceId: string; resourceSecret: string }): Promise<Record<string, string>> {
  await writeFile(join(work, 'secrets', 'jars'), jars.resourceSecret)
  return {
    'spark.kubernetes.resourceStagingServer.uri': server.url,
    'spark.kubernetes.initcontainer.downloadJarsResourceIdentifier': jars.resourceId,
    'spark.kubernetes.initcontainer.downloadJarsSecretLocation': join(work, 'secrets', 'jars'),
    'spark.kubernetes.mountdependencies.jarsDownloadDir': join(work, 'jars'),
    'spark.kubernetes.mountdependencies.filesDownloadDir': join(work, 'files'),
    'spark.kubernetes.some.other.key': 'ignored',
  }
}

describe('the properties of the fork', () => {
  it('bring its bundle into its mount, once', async () => {
    const properties = await propertiesOf(await upload({ 'app.jar': 'app', 'app-1.jar': 'other' }))
    expect(await run(properties)).toMatchObject({ exitCode: 0, log: { ok: true, files: 2 } })
    expect(await readFile(join(work, 'jars', 'app.jar'), 'utf8')).toBe('app')
    expect((await readdir(join(work, 'jars'))).sort()).toEqual(['.supercargo', 'app-1.jar', 'app.jar'])
    const again = await run(properties)
    expect(again.said).toContain('everything is in place')
  })

  it('with a wrong secret end at once, where the original hung for five minutes', async () => {
    const { resourceId } = await upload({ 'app.jar': 'app' })
    const began = performance.now()
    const ran = await run(await propertiesOf({ resourceId, resourceSecret: 'canary-wrong-secret' }))
    expect(performance.now() - began).toBeLessThan(3000)
    expect(ran).toMatchObject({ exitCode: 77, log: { ok: false, kind: 'denied', code: 'http-401' } })
    expect(JSON.stringify(ran)).not.toContain('canary')
  })

  it('with an unknown identifier end at once', async () => {
    const ran = await run(await propertiesOf({ resourceId: 'unknown', resourceSecret: 'secret-of-nothing' }))
    expect(ran).toMatchObject({ exitCode: 66, log: { kind: 'notFound', code: 'http-404' } })
  })

  it('with a bundle that would leave its mount write nothing at all', async () => {
    const ran = await run(await propertiesOf(await upload({ 'good.jar': 'x', '../evil': 'y' })))
    expect(ran).toMatchObject({ exitCode: 65, log: { kind: 'unsafe', code: 'unsafe-entry' } })
    expect((await readdir(join(work, 'jars'))).sort()).toEqual(['.supercargo'])
    expect((await readdir(work)).includes('evil')).toBe(false)
  })
})
