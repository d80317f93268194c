/**
 * From the command to the created pod: what a submission costs in CPU and time when 200 jars are staged already. Needs the bundle
 * (`npm run build`, or its path as an argument) and a cluster without use in KUBECONFIG (`npm run services -- up kubernetes`).
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { ApiClient, deleteObject, kubeConfigConnection, podPath } from '@supercargo/kube'
import { startStagingServer } from '../process/staging-server.ts'
import { run } from './process-meter.ts'

const jars = 200
const jarBytes = 64 << 10
const rounds = 5
const namespace = 'default'
const bundle = resolve(process.argv[2] ?? join(import.meta.dirname, '..', '..', 'dist', 'supercargo.mjs'))

const connection = await kubeConfigConnection({ environment: process.env })
if (connection === undefined) throw new Error('set KUBECONFIG to a cluster: npm run services -- up kubernetes')
const client = new ApiClient(connection)
const folder = await mkdtemp(join(tmpdir(), 'supercargo-bench-submit-'))
const server = await startStagingServer({ program: bundle, arguments: ['--store', join(folder, 'store')] })
try {
  for (let index = 0; index < jars; index++) await writeFile(join(folder, `dep-${index}.jar`), randomBytes(jarBytes))
  await writeFile(join(folder, 'app.jar'), 'app')
  for (let round = 0; round <= rounds; round++) {
    const name = `bench-${process.pid}-${round}`
    const { wallSeconds, cpuSeconds, rssPeakMib } = await run([
      ...[process.execPath, bundle, 'submit', '--no-wait', '--quiet', '--class', 'A', '--namespace', namespace],
      ...['--server', server.url, '--pod-server', 'http://staging.example', '--init-image', 'init'],
      ...[
        '--conf',
        'spark.kubernetes.container.image=spark:4.1.2',
        '--conf',
        `spark.kubernetes.driver.pod.name=${name}`,
      ],
      ...['--jars', join(folder, 'dep-*.jar'), join(folder, 'app.jar')],
    ])
    await deleteObject(client, { path: podPath, namespace, name }, {}, AbortSignal.timeout(30_000))
    const what = round === 0 ? 'all bytes sent' : 'nothing to send'
    console.log(`${what}: ${wallSeconds.toFixed(2)} s, CPU ${cpuSeconds.toFixed(2)} s, ${Math.round(rssPeakMib)} MiB`)
  }
} finally {
  await client.close()
  await server.kill()
  await rm(folder, { recursive: true, force: true })
}
