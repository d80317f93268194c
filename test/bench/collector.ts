/**
 * What a sweep costs at scale: resources whose owners really exist in a real API server, and one server that sweeps them.
 *
 *     node test/bench/collector.ts [--resources 100000] [--owners 20000] [--namespaces 100] [--uploads 8]
 *
 * Prints requests, time, CPU of the API server for a sweep, memory of the server with and without all this, and what uploads cost
 * its main thread with a sweep every few seconds and without any. Needs what the test service `kubernetes` needs.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ApiClient, createObject, kubeConfigConnection, podPath } from '@supercargo/kube'
import type { CollectorStatus, Owner } from '@supercargo/protocol'
import { type ServerProcess, startStagingServer } from '../process/staging-server.ts'
import { startInstance } from '../services/run.ts'
import { stopSite } from '../services/site.ts'
import { until } from '../services/until.ts'
import { cpuSeconds, resetRssPeak, rssPeakMib } from './process-meter.ts'

const { values } = parseArgs({
  options: {
    resources: { type: 'string', default: '100000' },
    owners: { type: 'string', default: '20000' },
    namespaces: { type: 'string', default: '100' },
    uploads: { type: 'string', default: '8' },
  },
})
const [resources, owners, namespaces, uploads] = [
  values.resources,
  values.owners,
  values.namespaces,
  values.uploads,
].map(Number) as [number, number, number, number]
const uploadMib = 128
const parallelCreations = 12
const sweepsMeasured = 4
const longMs = 3_600_000

const scratch = mkdtempSync(join(tmpdir(), 'supercargo-bench-collector-'))
const site = join(scratch, 'kubernetes')
const signal = AbortSignal.timeout(longMs)
const progress = { signal, say: (line: string) => void process.stderr.write(`${line}\n`) }

try {
  const { details } = await startInstance('kubernetes', site, progress)
  await seed(details.kubeconfig)
  const store = join(scratch, 'store')
  const serve = (...more: readonly string[]) =>
    startStagingServer({
      arguments: ['--store', store, '--limits-free-bytes-min', '0', '--log-level', 'info', ...more],
    })
  const empty = await serve('--kube', 'none')
  const emptyMib = rssPeakMib(empty.pid)
  const quietCpu = await uploadCpu(empty)
  await empty.stop()
  writeRecords(store)
  const sweeping = ['--kube', 'auto', '--kubeconfig', details.kubeconfig, '--collector-sweep-interval-ms', '5s']
  const server = await serve(...sweeping)
  const apiserver = Number(details.apiserverPid)
  await sweeps(server, 1)
  const before = cpuSeconds(apiserver)
  resetRssPeak(server.pid)
  await sweeps(server, sweepsMeasured)
  const apiCpu = (cpuSeconds(apiserver) - before) / sweepsMeasured
  const { lastSweep, states } = await status(server)
  const peakMib = rssPeakMib(server.pid)
  const busyCpu = await uploadCpu(server)
  await server.stop()
  const facts: readonly (readonly [string, string])[] = [
    ['resources, owners, namespaces', `${resources}, ${owners}, ${namespaces}`],
    ['states', JSON.stringify(states)],
    ['requests of a sweep', String(lastSweep?.requests)],
    ['duration of a sweep', `${((lastSweep?.durationMs ?? 0) / 1000).toFixed(1)} s`],
    ['CPU of the API server for a sweep, its own work included', `${apiCpu.toFixed(2)} s`],
    [
      'memory of the server, at most',
      `${peakMib.toFixed(0)} MiB; ${emptyMib.toFixed(0)} MiB with an empty store and no cluster`,
    ],
    [
      'CPU of the main thread for an uploaded GiB',
      `${busyCpu.toFixed(2)} s while it sweeps, ${quietCpu.toFixed(2)} s without`,
    ],
  ]
  for (const [what, value] of facts) process.stdout.write(`${what.padEnd(58)}${value}\n`)
} finally {
  await stopSite(site)
  rmSync(scratch, { recursive: true, force: true })
}

function ownerOf(n: number): Owner {
  const owner = n % owners
  const by = { namespace: `team-${owner % namespaces}`, apiVersion: 'v1', kind: 'Pod' }
  // As submissions name them: by name, and as the 2017 client does, by labels.
  return n % 2 === 0 ? { ...by, name: `driver-${owner}` } : { ...by, labels: { 'spark-app-selector': `app-${owner}` } }
}

/** Pods that nothing will ever run, with as much in them as a driver has. */
async function seed(kubeconfig: string): Promise<void> {
  const client = new ApiClient((await kubeConfigConnection({ kubeconfig, environment: {} }))!)
  const namespacePath = { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces' }
  for (let n = 0; n < namespaces; n++)
    await createObject(client, namespacePath, { metadata: { name: `team-${n}` } }, signal)
  const env = Array.from({ length: 40 }, (_, n) => ({ name: `SETTING_${n}`, value: 'x'.repeat(60) }))
  let next = 0
  await Promise.all(
    Array.from({ length: parallelCreations }, async () => {
      while (next < owners) {
        const n = next++
        const labels = { 'spark-app-selector': `app-${n}`, 'spark-role': 'driver' }
        const metadata = { namespace: `team-${n % namespaces}`, name: `driver-${n}`, labels }
        const spec = { nodeSelector: { no: 'where' }, containers: [{ name: 'main', image: 'none', env }] }
        const create = async () => createObject(client, podPath, { metadata, spec }, signal).catch(() => undefined)
        // A new namespace has its service account after a moment.
        await until('a pod', async () => (await create()) !== undefined, { timeoutMs: 60_000 })
        if (n % 2000 === 0) progress.say(`${n} pods`)
      }
    }),
  )
  await client.close()
}

/** As the store keeps them; their bytes do not matter here. */
function writeRecords(store: string): void {
  const directory = join(store, 'resources')
  mkdirSync(directory, { recursive: true })
  const atMs = Date.now()
  const secretHash = `sha256:${'0'.repeat(64)}`
  for (let n = 0; n < resources; n++) {
    const id = n.toString(36).padStart(26, '0')
    const instants = { createdAtMs: atMs, committedAtMs: atMs }
    const record = {
      version: 1,
      id,
      secretHash,
      owners: [ownerOf(n)],
      files: [],
      door: 'v1',
      ...instants,
      capabilities: [],
    }
    writeFileSync(join(directory, `${id}.json`), JSON.stringify(record))
  }
}

async function status(server: ServerProcess): Promise<CollectorStatus> {
  return (await (await fetch(`${server.url}/api/v1/collector`)).json()) as CollectorStatus
}

/** Waits for so many sweeps of everything. */
async function sweeps(server: ServerProcess, count: number): Promise<void> {
  const seen = new Set<string>()
  const next = async () => {
    const { lastSweep } = await status(server)
    if (lastSweep !== null && lastSweep.examined >= resources) seen.add(lastSweep.startedAt)
    return seen.size > count
  }
  await until(`${count} sweeps`, next, { timeoutMs: longMs, intervalMs: 250 })
}

/** CPU seconds of the main thread for a GiB. */
async function uploadCpu(server: ServerProcess): Promise<number> {
  const file = new Blob([Buffer.alloc(uploadMib << 20, 1)])
  const before = mainThreadSeconds(server.pid)
  for (let n = 0; n < uploads; n++) {
    const form = new FormData()
    form.append('owner', JSON.stringify(ownerOf(0)))
    form.append('file', file, `upload-${n}`)
    const answer = await fetch(`${server.url}/api/v1/resources`, { method: 'POST', body: form })
    if (answer.status !== 201) throw new Error(`an upload was answered with ${answer.status}`)
    await answer.arrayBuffer()
  }
  return (mainThreadSeconds(server.pid) - before) / ((uploads * uploadMib) / 1024)
}

/** The thread whose id is that of the process. The collector's is another. */
function mainThreadSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
