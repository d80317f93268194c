/** Hadoop's own shell against the server as a process: what it makes, puts, lists, reads, moves and removes, plain and with TLS. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServerProcess, startStagingServer } from '../../process/staging-server.ts'
import { createAuthority, issue } from '../certificates.ts'
import { command } from '../command.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { expectedResult } from '../spark/start.ts'
import { sparkSubmit } from '../spark/submission.ts'
import { type HadoopShell, hadoopShell } from './hadoop-shell.ts'
import { startSecureServer } from './secure-server.ts'

let work: string
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-front-door-'))
})
afterAll(() => rmSync(work, { recursive: true, force: true }))

describeWith(['hdfs'], 'the shell of Hadoop', () => {
  let server: ServerProcess
  let shell: HadoopShell
  let url: string
  beforeAll(async () => {
    server = await startStagingServer({
      arguments: ['--store', join(work, 'store'), '--limits-file-bytes-max', '20Mi'],
    })
    shell = await hadoopShell(join(work, 'hadoop'))
    url = `webhdfs://${new URL(server.url).host}/spark`
  }, provisionTimeoutMs)
  afterAll(() => server.stop())

  it('makes, puts, lists, reads, moves and removes, whatever the names are', async () => {
    const names = ['a b+c%d;.jar', 'a%20b', '100%', 'größe-漢😀.jar', 'x=1&y#z.jar', "it's"]
    const folder = join(work, 'odd')
    mkdirSync(folder)
    const bytes = randomBytes(1_000_000)
    for (const [index, name] of names.entries()) writeFileSync(join(folder, name), bytes.subarray(index))
    expect(await shell.run('-mkdir', '-p', `${url}/d/e`)).toMatchObject({ exitCode: 0 })
    expect(await shell.run('-put', folder, `${url}/d/`)).toMatchObject({ exitCode: 0 })
    const listed = (await shell.run('-ls', '-R', `${url}/d`)).stdout
    expect(listed).toMatch(/^-rw-r--r-- .* 1000000 .*\/d\/odd\/a b\+c%d;\.jar$/m)
    expect(listed).toMatch(/^drwxr-xr-x .*\/d\/e$/m)
    expect(await shell.run('-get', `${url}/d/odd`, join(work, 'back'))).toMatchObject({ exitCode: 0 })
    for (const [index, name] of names.entries())
      expect(readFileSync(join(work, 'back', name)).equals(bytes.subarray(index)), name).toBe(true)
    expect((await shell.run('-mv', `${url}/d/odd/größe*`, `${url}/d/e`)).exitCode).toBe(0)
    expect((await shell.run('-count', `${url}/d`)).stdout).toMatch(/^ +3 +6 +59999\d\d /)
    expect((await shell.run('-rm', '-r', `${url}/d`)).stdout).toContain('Deleted')
    expect((await shell.run('-test', '-e', `${url}/d`)).exitCode).toBe(1)
  })

  it('reads the same bytes after the server was killed', async () => {
    writeFileSync(join(work, 'small'), 'to be kept')
    await shell.run('-put', join(work, 'small'), `${url}/kept`)
    await server.kill()
    server = await startStagingServer({ arguments: ['--store', join(work, 'store')] })
    url = `webhdfs://${new URL(server.url).host}/spark`
    expect((await shell.run('-cat', `${url}/kept`)).stdout).toBe('to be kept')
  })

  it('shows its user what the server says', async () => {
    writeFileSync(join(work, 'small'), 'x')
    await shell.run('-put', '-f', join(work, 'small'), `${url}/file`)
    const said = async (...args: string[]): Promise<string> => (await shell.run(...args)).stderr
    expect(await said('-put', join(work, 'small'), `${url}/file`)).toContain('File exists')
    expect(await said('-mkdir', `${url}/file/d`)).toContain('remove the file')
    expect(await said('-chmod', '700', `${url}/file`)).toContain('is not possible here')
    expect(await said('-appendToFile', join(work, 'small'), `${url}/file`)).toContain('is not possible here')
    expect(await said('-mkdir', '-p', `${url}/claim=a b/x`)).toContain('supercargo.io/claim')
    expect(await said('-ls', `webhdfs://${new URL(server.url).host}/`)).toContain('write /<namespace>')
  })
})

describeWith(['hdfs', 'spark'], 'the shell of Hadoop, and Spark, over TLS', () => {
  it('work with the authority in a trust store of Java or of Hadoop, and say no without', async () => {
    const authority = await createAuthority(work, 'front door')
    const pair = await issue(authority, {
      name: 'server',
      commonName: 'localhost',
      alternativeNames: ['DNS:localhost', 'IP:127.0.0.1'],
    })
    const server = await startSecureServer(join(work, 'secure'), pair)
    try {
      const trust = join(work, 'trust.p12')
      await command([
        'keytool',
        '-importcert',
        '-noprompt',
        '-file',
        authority.certFile,
        '-keystore',
        trust,
        '-storepass',
        'changeit',
      ])
      const javaOptions = [`-Djavax.net.ssl.trustStore=${trust}`, '-Djavax.net.ssl.trustStorePassword=changeit']
      const trusting = await hadoopShell(join(work, 'trusting'), { javaOptions })
      const url = `swebhdfs://localhost:${server.port}/spark/d`
      const spark = await running('spark')
      const file = join(work, 'größe.jar')
      const bytes = randomBytes(1_000_000)
      writeFileSync(file, bytes)
      expect(await trusting.run('-mkdir', '-p', url)).toMatchObject({ exitCode: 0 })
      const application = [spark.appJar3, spark.dependencyJar3, spark.settingsFile]
      expect(await trusting.run('-put', file, ...application, url)).toMatchObject({ exitCode: 0 })
      expect(await trusting.run('-get', `${url}/größe.jar`, join(work, 'secure-back'))).toMatchObject({ exitCode: 0 })
      expect(readFileSync(join(work, 'secure-back')).equals(bytes)).toBe(true)
      // As the driver's pod runs it, and with the other line's client of Hadoop.
      const options = ['--master', 'local[1]', '--conf', `spark.driver.extraJavaOptions=${javaOptions.join(' ')}`]
      const what = ['--jars', `${url}/dependency.jar`, '--files', `${url}/settings.txt`, '--class', spark.mainClass]
      const ran = await sparkSubmit(spark, '3', [...options, ...what, `${url}/app.jar`, 'settings.txt', '100'])
      expect(ran.stdout, ran.stderr).toContain(expectedResult)
      const files = { 'ssl-client.xml': hadoopTrust(trust) }
      const ofHadoop = await hadoopShell(join(work, 'of-hadoop'), { files })
      expect((await ofHadoop.run('-ls', url)).stdout).toContain('größe.jar')
      const stranger = await hadoopShell(join(work, 'stranger'))
      expect((await stranger.run('-ls', url)).stderr).toMatch(/certification path|PKIX/)
    } finally {
      await server.stop()
    }
  })
})

function hadoopTrust(location: string): string {
  const settings = Object.entries({ location, type: 'pkcs12', password: 'changeit' }).map(
    ([key, value]) => `<property><name>ssl.client.truststore.${key}</name><value>${value}</value></property>`,
  )
  return `<configuration>${settings.join('')}</configuration>`
}
