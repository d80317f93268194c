/** The pages about the ways in, typed as they stand there, against a real API server and a real staging server. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runPage } from '../../docs/page-commands.ts'
import { type ServerProcess, startStagingServer } from '../../process/staging-server.ts'
import type { ServiceDetails } from '../catalog.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { type TestNamespace, testNamespace } from '../submit/namespace.ts'

/** What a page says of the reader's own application. */
const application = ['app.jar', 'lib/a.jar', 'settings.txt', 'main.py', 'greeting.py']

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

  it.each(['docs/submit.md', 'docs/wrap.md', 'docs/inject.md', 'docs/operating.md'])('%s', async (page) => {
    const { code, said } = await runPage(page, {
      directory,
      path: [join(spark.home4, 'bin'), cluster.binDirectory],
      env: {
        KUBECONFIG: cluster.kubeconfig,
        SUPERCARGO_SERVER: server.url,
        SUPERCARGO_POD_SERVER: 'http://supercargo.supercargo:10000',
        SUPERCARGO_INIT_IMAGE: 'registry.example.org/supercargo/init:1',
        SPARK_CONF_DIR: directory,
      },
      instead: { '-n spark': `-n ${place.name}`, 'namespace: spark': `namespace: ${place.name}` },
    })
    expect(code, said).toBe(0)
  })
})
