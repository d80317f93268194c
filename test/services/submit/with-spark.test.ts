/** Real Spark on a real node, submitted without a JVM: driver and executors use what was staged and fetched, and it goes with the driver. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ServiceDetails } from '../catalog.ts'
import { create } from '../hdfs/web-hdfs.ts'
import type { DeployedServer } from '../images/deployment.ts'
import { initImage } from '../images/product-images.ts'
import { sharedServer } from '../images/shared-server.ts'
import { describeWith, ownInstance, provisionTimeoutMs, running } from '../running.ts'
import { TestBucket } from '../s3-source/bucket.ts'
import { type SparkLine, sparkLines } from '../spark/provision.ts'
import { expectedResult } from '../spark/start.ts'
import { type SparkNamespace, sparkNamespace } from '../spark-cluster/namespace.ts'
import { supercargo } from '../supercargo.ts'
import { until } from '../until.ts'
import { staysUntilGone } from './with-owner.ts'

/** A driver and an executor on a busy machine of two cores. */
const sparkTimeoutMs = 600_000

describeWith(['spark-cluster', 's3', 'hdfs'], 'supercargo submit', () => {
  let cluster: ServiceDetails<'spark-cluster'>
  let server: DeployedServer
  let place: SparkNamespace

  beforeAll(async () => {
    cluster = await running('spark-cluster')
    server = await sharedServer(cluster)
    place = await sparkNamespace(cluster, 'submitted')
  }, provisionTimeoutMs)

  afterAll(async () => {
    server?.client.close()
    await place?.remove()
  })

  const run = (verb: string, line: SparkLine, argv: readonly string[], environment: Record<string, string> = {}) => {
    const own = ['--server', server.client.server.href, '--pod-server', server.podUrl, '--init-image', initImage]
    const { kubeconfig } = cluster
    const all = [verb, '-n', place.name, ...own, ...place.settings(line), ...argv]
    return supercargo({ kubeconfig, environment }, all).ended
  }

  const submit = (line: SparkLine, ...argv: string[]) => run('submit', line, ['--follow', ...argv])

  const jars = (line: SparkLine): readonly [dependency: string, application: string] =>
    line === '4' ? [cluster.dependencyJar4, cluster.appJar4] : [cluster.dependencyJar3, cluster.appJar3]

  const driverOf = async (name: string): Promise<string> => {
    const selector = `spark-app-name=${name},spark-role=driver`
    return (
      await place.kubectl('get', 'pods', '--selector', selector, '-o', 'jsonpath={.items[*].metadata.name}')
    ).trim()
  }

  it.each([
    ['3', 'direct'],
    ['4', 'driver'],
  ] as const)(
    'runs a jar of Spark %s with a second jar and a file, distributed %s, and its files go with it',
    async (line, distribution) => {
      const [dependency, application] = jars(line)
      const java = ['--class', cluster.mainClass, '--jars', dependency, '--files', cluster.settingsFile, application]
      const name = `java-${line}-${distribution}`
      const how = ['--name', name, '--distribution', distribution]
      const { code, out, err } = await submit(line, ...how, ...java, 'settings.txt', '100')
      expect(out, err).toContain(expectedResult)
      expect(code, err).toBe(0)
      const driver = await driverOf(name)
      const owner = { namespace: place.name, kind: 'Pod', name: driver }
      await staysUntilGone(server.client, owner, () => place.kubectl('delete', 'pod', driver, '--wait=true'))
      const left = async () => (await place.kubectl('get', 'configmaps,secrets,services', '-o', 'name')).includes(name)
      await until('its objects to go', async () => !(await left()), { timeoutMs: 60_000 })
    },
    sparkTimeoutMs,
  )

  it(
    'runs with a jar from S3 and a file from HDFS, by a name that only the pods are told, beside a jar from here',
    async () => {
      const [s3, hdfs] = await Promise.all([
        ownInstance('s3', cluster.hostAddress),
        ownInstance('hdfs', cluster.hostAddress),
      ])
      const folder = await mkdtemp(join(tmpdir(), 'supercargo-hadoop-'))
      try {
        const [dependency, application] = jars('4')
        const bucket = await TestBucket.on(s3.details)
        await bucket.put('libs/dependency.jar', await readFile(dependency))
        const { url, webUrl, superuser } = hdfs.details
        expect(await create(webUrl, '/settings.txt', superuser, await readFile(cluster.settingsFile, 'utf8'))).toBe(201)
        const named = (address: string): string => `namenode.example:${new URL(address).port}`
        const site = (name: string, properties: Readonly<Record<string, string>>): Promise<void> => {
          const rows = Object.entries(properties).map(
            ([key, value]) => `<property><name>${key}</name><value>${value}</value></property>`,
          )
          return writeFile(join(folder, `${name}-site.xml`), `<configuration>${rows.join('')}</configuration>`)
        }
        await site('core', { 'fs.defaultFS': `hdfs://${named(url)}` })
        await site('hdfs', { 'dfs.namenode.rpc-address': named(url), 'dfs.namenode.http-address': named(webUrl) })
        const s3a = Object.entries(bucket.properties()).flatMap(([key, value]) => [
          '--conf',
          `spark.hadoop.${key}=${value}`,
        ])
        const from = ['--jars', bucket.uri('libs/dependency.jar'), '--files', `hdfs://${named(url)}/settings.txt`]
        const alias = ['--host-alias', `${cluster.hostAddress}=namenode.example`]
        const what = ['--class', cluster.mainClass, ...from, application, 'settings.txt', '100']
        const mixed = ['--follow', '--name', 'mixed', ...alias, ...s3a, ...what]
        const { code, out, err } = await run('submit', '4', mixed, { HADOOP_CONF_DIR: folder })
        expect(out, err).toContain(expectedResult)
        expect(code, err).toBe(0)
        const { resources } = await server.client.list({ namespace: place.name })
        const driver = await driverOf('mixed')
        const own = resources.filter(({ owner }) => owner.some((each) => each.name === driver))
        expect(
          own.map(({ files }) => files),
          basename(application),
        ).toEqual([1])
      } finally {
        await Promise.all([s3.stop(), hdfs.stop(), rm(folder, { recursive: true })])
      }
    },
    sparkTimeoutMs,
  )

  it.each(sparkLines)(
    'runs Python on Spark %s with a module and a file, and ends with its exit code',
    async (line) => {
      const { pythonModule, settingsFile, pythonMain } = cluster
      const python = ['--py-files', pythonModule, '--files', settingsFile, pythonMain]
      const { code, out, err } = await submit(line, '--name', `python-${line}`, ...python, 'settings.txt', '100', line)
      expect(out, err).toContain(expectedResult)
      expect(code, err).toBe(Number(line))
      expect(err).toContain(`the driver ended with ${line}`)
    },
    sparkTimeoutMs,
  )

  it('fails within seconds, with the reason, when the init-container cannot fetch', async () => {
    const [, application] = jars('4')
    const missing = ['--files', `${server.podUrl}/no-such-file.txt`, '--class', cluster.mainClass, application]
    const { code, err } = await submit('4', '--name', 'unfetched', ...missing, 'settings.txt', '100')
    expect(code, err).toBe(66)
    expect(err).toMatch(/has not got its files: .*no-such-file\.txt/)
  })

  it('is looked over from inside the cluster: a pod asks the staging server, another looks into the image', async () => {
    const [, application] = jars('4')
    const there = `local://${cluster.imageAppFolder}/dependency.jar`
    const java = ['--probe', '--class', cluster.mainClass, '--jars']
    const { code, out, err } = await run('doctor', '4', [...java, there, application])
    expect(out, err).toMatch(/ok +a pod reaches the staging server/)
    expect(out).toMatch(/ok +the image .* has .*dependency\.jar/)
    expect(out).not.toMatch(/FAULT/)
    expect(code, out).toBe(0)
    const lacking = await run('doctor', '4', [...java, 'local:///opt/no-such.jar', application])
    expect(lacking.out).toMatch(/FAULT .*no-such\.jar is not in the image/)
    expect(lacking.code).toBe(1)
    const pods = () => place.kubectl('get', 'pods', '-o', 'name')
    // Removed means that kubelet has been told; it takes its time.
    await until('its pods to go', async () => !(await pods()).includes('doctor'), { timeoutMs: 60_000 })
  })
})
