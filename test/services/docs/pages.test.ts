/** The pages about the ways in, typed as they stand there, against a real API server and a real staging server. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type PageRun, runPage } from '../../docs/page-commands.ts'
import { repository } from '../../docs/pages.ts'
import { type ServerProcess, startStagingServer } from '../../process/staging-server.ts'
import type { ServiceDetails } from '../catalog.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { type TestNamespace, testNamespace } from '../submit/namespace.ts'
import { defineSparkKinds } from '../submit/spark-kinds.ts'

/** What a page says of the reader's own application. */
const application = ['app.jar', 'lib/a.jar', 'settings.txt', 'main.py', 'greeting.py']

const pages = ['submit', 'wrap', 'inject', 'operating'].map((name) => `docs/${name}.md`)
const example = (name: string): string => `docs/examples/${name}.md`
const examples = ['cluster-mode', 'client-mode', 'pyspark-shell', 'nightly', 'spark-application', 'hdfs'].map(example)
/** They make the pod that these are about. */
const inPods = ['client-mode', 'pyspark-shell'].map(example)

describeWith(['kubernetes', 'spark'], 'the pages of the documentation', () => {
  let cluster: ServiceDetails<'kubernetes'>
  let spark: ServiceDetails<'spark'>
  let server: ServerProcess
  let place: TestNamespace
  let directory: string

  beforeAll(async () => {
    cluster = await running('kubernetes')
    spark = await running('spark')
    directory = mkdtempSync(join(tmpdir(), 'supercargo-pages-'))
    place = await testNamespace(cluster)
    await place.kubectl('create', 'serviceaccount', 'spark-driver')
    const store = join(directory, 'store')
    server = await startStagingServer({
      arguments: ['--store', store, '--kube', 'auto', '--kubeconfig', cluster.kubeconfig],
    })
    for (const file of application) {
      mkdirSync(join(directory, file, '..'), { recursive: true })
      writeFileSync(join(directory, file), `what is in ${file}\n`)
    }
    cpSync(join(repository, 'deploy', 'examples'), join(directory, 'deploy', 'examples'), { recursive: true })
    writeFileSync(join(directory, 'run-spark-shell.sh'), '#!/bin/sh\nexec spark-shell "$@"\n', { mode: 0o755 })
    await defineSparkKinds(cluster)
    const settings = {
      'spark.master': `k8s://${cluster.server}`,
      'spark.kubernetes.namespace': place.name,
      'spark.kubernetes.container.image': 'apache/spark:4.1.2',
      'spark.kubernetes.authenticate.driver.serviceAccountName': 'spark-driver',
      'spark.supercargo.server': server.url,
      'spark.supercargo.podServer': 'http://supercargo.supercargo:10000',
      'spark.supercargo.initImage': 'registry.example.org/supercargo/init:1',
    }
    const lines = Object.entries(settings).map(([key, value]) => `${key} ${value}\n`)
    writeFileSync(join(directory, 'spark-defaults.conf'), lines.join(''))
  }, provisionTimeoutMs)

  afterAll(async () => {
    await place?.[Symbol.asyncDispose]()
    await server?.stop()
    if (directory !== undefined) rmSync(directory, { recursive: true })
  })

  function run(page: string, more: Partial<PageRun> = {}) {
    return runPage(page, {
      directory,
      path: [join(spark.home4, 'bin'), cluster.binDirectory],
      instead: { '-n spark': `-n ${place.name}`, 'namespace: spark': `namespace: ${place.name}` },
      ...more,
      env: {
        KUBECONFIG: cluster.kubeconfig,
        SUPERCARGO_SERVER: server.url,
        SUPERCARGO_POD_SERVER: 'http://supercargo.supercargo:10000',
        SUPERCARGO_INIT_IMAGE: 'registry.example.org/supercargo/init:1',
        SPARK_CONF_DIR: directory,
        ...more.env,
      },
    })
  }

  it.each([...pages, ...examples])('%s', async (page) => {
    const { code, said } = await run(page)
    expect(code, said).toBe(0)
  })

  it.each(inPods)('%s in a pod, as far as what would be run', async (page) => {
    const address = Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .find(({ internal }) => !internal)!.address
    await place.setStatus('jump', { phase: 'Running', podIP: address, podIPs: [{ ip: address }] })
    const pod = { KUBERNETES_SERVICE_HOST: 'kubernetes.default.svc', POD_NAME: 'jump', POD_NAMESPACE: place.name }
    const { code, said } = await run(page, { language: 'sh pod', env: { ...pod, SUPERCARGO_PRINT: 'true' } })
    expect(code, said).toBe(0)
    expect(said).toContain('spark.kubernetes.driver.pod.name=jump')
  })
})
