/**
 * `node test/bench/exposure.ts [--rounds N (3)]`: what a GiB costs the side of the server alone, behind nginx as it is
 * delivered, and with nginx sending the files, beside nginx that serves the same file by itself. CPU is of all processes there.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createClient, type StagedResource } from '@supercargo/client'
import { routes } from '@supercargo/protocol'
import { command, startStagingServer } from '../process/staging-server.ts'
import { startSidecar } from '../services/exposure/delivered.ts'
import { startNginx } from './nginx.ts'
import { type Cost, cpuSeconds, resetRssPeak, rssPeakMib, run } from './process-meter.ts'
import { printTable, type Sample, summarise } from './report.ts'
import { makeFiles } from './workloads.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' } } })
const workload = { name: '1 x 1 GiB', files: 1, fileBytes: 2 ** 30 }
const scratch = mkdtempSync(join(tmpdir(), 'supercargo-bench-'))
const store = join(scratch, 'store')
const closing: (() => Promise<unknown>)[] = []
const samples: Sample[] = []

try {
  const trust = ['--trusted-proxies', '127.0.0.1', '--accel-redirect', '/supercargo-blobs']
  const server = await startStagingServer({ arguments: ['--store', store, ...trust] })
  closing.push(server.stop)
  const sending = await startSidecar(server, join(store, 'blobs'))
  closing.push(sending.stop)
  const passing = await startSidecar(server, join(store, 'blobs'), { sendsFiles: false })
  closing.push(passing.stop)
  const nginx = await startNginx(join(scratch, 'nginx'))
  closing.push(nginx.stop)
  const [name] = makeFiles(workload, nginx.directory)
  const file = join(nginx.directory, name!)
  const client = createClient({ server: server.url })
  const owner = { namespace: 'bench', apiVersion: 'v1', kind: 'Pod', name: 'bench' }
  const staged = await client.stage({ owner, files: [{ path: file }] })
  client.close()
  const path = routes.v1.file(staged.resourceId, name!)
  const contenders: readonly (readonly [name: string, work: () => Promise<Cost>, pids: readonly number[]])[] = [
    [
      'download / supercargo, nginx sends the file',
      () => download(sending.url + path, staged),
      [server.pid, sending.pid],
    ],
    ['download / supercargo behind nginx', () => download(passing.url + path, staged), [server.pid, passing.pid]],
    ['download / supercargo alone', () => download(server.url + path, staged), [server.pid]],
    ['download / nginx', () => download(`${nginx.url}/${name}`, staged), [nginx.pid]],
    ['upload / supercargo behind nginx', () => upload(sending.url, file), [server.pid, sending.pid]],
    ['upload / supercargo alone', () => upload(server.url, file), [server.pid]],
  ]
  // Downloads first: an upload drives out of memory what they read.
  for (const kind of ['download', 'upload']) {
    const chosen = contenders.filter(([contender]) => contender.startsWith(kind))
    for (let round = 0; round <= Number(values.rounds); round++) {
      for (const [contender, work, pids] of chosen) {
        for (const pid of pids) resetRssPeak(pid)
        const before = sum(pids.map(cpuSeconds))
        const cost = await work()
        const serverCpuSeconds = sum(pids.map(cpuSeconds)) - before
        const serverRssPeakMib = Math.max(...pids.map(rssPeakMib))
        const of = { workload: workload.name, name: contender, bytes: workload.fileBytes }
        // Round 0 warms caches and compilers.
        if (round > 0) samples.push({ ...of, ...cost, serverCpuSeconds, serverRssPeakMib })
      }
    }
  }
  printTable(summarise(samples))
} finally {
  for (const close of closing.reverse()) await close()
  rmSync(scratch, { recursive: true, force: true })
}

function download(url: string, { resourceSecret }: StagedResource): Promise<Cost> {
  return run([
    'curl',
    '-sS',
    '--fail',
    '-o',
    '/dev/null',
    '-H',
    `Authorization: Bearer ${resourceSecret.reveal()}`,
    url,
  ])
}

/** Into a namespace of its own, because what is there is not sent again; it is dropped at the end. */
async function upload(url: string, file: string): Promise<Cost> {
  const secretFile = join(scratch, `secret-${readdirSync(scratch).length}`)
  const namespace = `bench-${readdirSync(scratch).length}`
  const cost = await run([
    process.execPath,
    command,
    ...['stage', file, '--server', url, '-n', namespace, '--secret-file', secretFile, '--json', '--quiet'],
  ])
  const { resourceId } = JSON.parse(cost.stdout) as { resourceId: string }
  const release = ['resources', 'release', resourceId, '--server', url, '--secret-file', secretFile, '--quiet']
  const released = spawnSync(process.execPath, [command, ...release])
  if (released.status !== 0) throw new Error(`release: ${released.stderr}`)
  return cost
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
