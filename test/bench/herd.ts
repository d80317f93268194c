/** `npm run bench -- herd`: many clients that want the same file at once, from our server and from nginx, interleaved. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { createClient, type StagedResource } from '@supercargo/client'
import { routes } from '@supercargo/protocol'
import type { HerdClient, HerdOptions } from '../process/herd.ts'
import { type ServerProcess, startStagingServer } from '../process/staging-server.ts'
import { nginxInstalled, startNginx } from './nginx.ts'
import { cpuSeconds, median, resetRssPeak, rssPeakMib, run } from './process-meter.ts'
import { makeFiles } from './workloads.ts'

export interface HerdBenchOptions {
  /** The bundled command. */
  readonly program: string
  readonly scratch: string
  readonly rounds: number
  readonly clients: number
  readonly fileMib: number
}

export interface HerdSample {
  readonly contender: string
  readonly wallSeconds: number
  readonly gibPerSecond: number
  readonly medianSeconds: number
  readonly p99Seconds: number
  readonly p99OverMedian: number
  readonly serverCpuSecondsPerGib: number
  readonly clientCpuSecondsPerGib: number
  readonly serverRssMib: number
  /** Read from the disk by the server, as a share of the file; the file was not in the page cache. */
  readonly diskReadShare: number
  readonly refused: number
  readonly loadAverage: number
}

interface Contender {
  readonly pid: number
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Where the bytes lie on disk. */
  readonly path: string
}

export async function benchHerd(options: HerdBenchOptions): Promise<HerdSample[]> {
  const { scratch, program, clients, fileMib } = options
  const source = join(scratch, 'source')
  const [name] = makeFiles({ name: 'herd', files: 1, fileBytes: fileMib << 20 }, source)
  const server = await startStagingServer({ program, arguments: ['--store', join(scratch, 'store')] })
  const nginx = nginxInstalled() ? await startNginx(join(scratch, 'nginx'), undefined, 4 * clients) : undefined
  const samples: HerdSample[] = []
  try {
    const staged = await stage(server, join(source, name!))
    const contenders: Record<string, Contender> = { 'supercargo serve': ours(server, join(scratch, 'store'), staged) }
    if (nginx !== undefined) {
      const path = join(nginx.directory, 'file')
      await run(['cp', join(source, name!), path])
      const worker = Number(readFileSync(`/proc/${nginx.pid}/task/${nginx.pid}/children`, 'utf8').trim())
      contenders.nginx = { pid: worker, url: `${nginx.url}/file`, headers: {}, path }
    }
    for (let round = 0; round <= options.rounds; round++) {
      for (const [contender, it] of Object.entries(contenders)) {
        const sample = await measure(contender, it, options)
        // Round 0 warms compilers.
        if (round > 0) samples.push(sample)
      }
    }
  } finally {
    await Promise.all([server.stop(), nginx?.stop()])
  }
  return samples
}

export function printHerd(samples: readonly HerdSample[]): void {
  const rows = [...Map.groupBy(samples, ({ contender }) => contender)].map(([contender, group]) => {
    const of = (pick: (sample: HerdSample) => number, digits: number): string => median(group.map(pick)).toFixed(digits)
    return {
      contender,
      'GiB/s': of((sample) => sample.gibPerSecond, 2),
      'median s': of((sample) => sample.medianSeconds, 2),
      'p99 s': of((sample) => sample.p99Seconds, 2),
      'p99 ÷ median': of((sample) => sample.p99OverMedian, 2),
      'server CPU s/GiB': of((sample) => sample.serverCpuSecondsPerGib, 2),
      'client CPU s/GiB': of((sample) => sample.clientCpuSecondsPerGib, 2),
      'server RSS MiB': of((sample) => sample.serverRssMib, 0),
      'read from disk': of((sample) => sample.diskReadShare, 2),
      load: of((sample) => sample.loadAverage, 1),
    }
  })
  console.table(rows)
}

async function measure(name: string, contender: Contender, options: HerdBenchOptions): Promise<HerdSample> {
  const { clients, fileMib } = options
  const { pid, url, headers, path } = contender
  spawnSync('sync')
  // Drops the file's clean pages, so that reads from the disk can be counted.
  spawnSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none'])
  resetRssPeak(pid)
  const before = { cpu: cpuSeconds(pid), read: diskReadBytes(pid) }
  const herd: HerdOptions = { url, headers, clients }
  const cost = await run([process.execPath, join(import.meta.dirname, 'herd-clients.ts'), JSON.stringify(herd)])
  const answers = JSON.parse(cost.stdout) as HerdClient[]
  const wrong = answers.filter(({ status, bytes }) => status !== 200 || bytes !== fileMib << 20)
  if (wrong.length > 0) throw new Error(`${wrong.length} of ${clients} clients of ${name} did not get the file`)
  const seconds = answers.map((client) => client.seconds).sort((a, b) => a - b)
  const p99 = seconds[Math.ceil(seconds.length * 0.99) - 1]!
  const gib = (clients * fileMib) / 1024
  return {
    contender: name,
    wallSeconds: seconds.at(-1)!,
    gibPerSecond: gib / seconds.at(-1)!,
    medianSeconds: median(seconds),
    p99Seconds: p99,
    p99OverMedian: p99 / median(seconds),
    serverCpuSecondsPerGib: (cpuSeconds(pid) - before.cpu) / gib,
    clientCpuSecondsPerGib: cost.cpuSeconds / gib,
    serverRssMib: rssPeakMib(pid),
    diskReadShare: (diskReadBytes(pid) - before.read) / (fileMib << 20),
    refused: answers.reduce((sum, { retryAfterSeconds }) => sum + retryAfterSeconds.length, 0),
    loadAverage: loadavg()[0]!,
  }
}

async function stage(server: ServerProcess, path: string): Promise<StagedResource> {
  const client = createClient({ server: server.url })
  try {
    const owner = { namespace: 'bench', apiVersion: 'v1', kind: 'Pod', name: 'driver' }
    return await client.stage({ owner, files: [{ path }] })
  } finally {
    client.close()
  }
}

function ours(server: ServerProcess, store: string, staged: StagedResource): Contender {
  const [file] = staged.files
  const hex = file!.digest.replace('sha256:', '')
  return {
    pid: server.pid,
    url: `${server.url}${routes.v1.file(staged.resourceId, file!.path)}`,
    headers: { authorization: `Bearer ${staged.resourceSecret.reveal()}` },
    path: join(store, 'blobs', 'bench', hex.slice(0, 2), hex),
  }
}

function diskReadBytes(pid: number): number {
  return Number(/^read_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1] ?? 0)
}
