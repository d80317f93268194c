/**
 * `npm run bench -- hdfs`: from a real HDFS into a directory, beside Hadoop's own client: one large file, and ten small ones, the start
 * of each program included.
 */
import { createHash } from 'node:crypto'
import { createReadStream, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startInstance } from '../services/run.ts'
import { stopSite } from '../services/site.ts'
import { type Cost, run, runShell } from './process-meter.ts'
import type { Sample } from './report.ts'
import { makeFiles, type Workload } from './workloads.ts'

export const hdfsWorkloads: readonly Workload[] = [
  { name: '1 x 512 MiB', files: 1, fileBytes: 512 * 2 ** 20 },
  { name: '10 x 100 KiB', files: 10, fileBytes: 100 * 2 ** 10 },
]

export interface HdfsBench {
  /** The bundled command. */
  readonly program: string
  readonly scratch: string
  readonly rounds: number
  /** Names of workloads and of contenders that are wanted. */
  readonly workload: RegExp
  readonly only: RegExp
}

/** Interleaved; round 0 warms caches. Every byte is compared. */
export async function measureHdfs({ program, scratch, rounds, workload, only }: HdfsBench): Promise<Sample[]> {
  const site = join(scratch, 'hdfs')
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  const { details } = await startInstance('hdfs', site, { say, signal: AbortSignal.timeout(600_000) })
  const samples: Sample[] = []
  try {
    for (const each of hdfsWorkloads.filter(({ name }) => workload.test(name))) {
      const [source, target] = [join(scratch, 'source'), join(scratch, 'target')]
      const names = makeFiles(each, source)
      await run([details.hdfsCommand, 'dfs', '-mkdir', '-p', '/bench'])
      await runShell(`${details.hdfsCommand} dfs -put -f ${source}/* /bench/`)
      const digests = await Promise.all(names.map((name) => sha256(join(source, name))))
      rmSync(source, { recursive: true })
      const plan = join(scratch, 'plan-hdfs.json')
      const hadoop = { confDirectory: details.configurationDirectory, user: details.superuser }
      const items = [{ uri: 'hdfs:///bench/', to: '.' }]
      writeFileSync(plan, JSON.stringify({ version: 1, root: target, items, hadoop }))
      const log = join(scratch, 'termination.json')
      const contenders: Record<string, () => Promise<Cost>> = {
        'fetch / supercargo localize': () =>
          run([process.execPath, program, 'localize', plan, '--quiet', '--termination-log', log]),
        'fetch / hdfs dfs -get': () => runShell(`${details.hdfsCommand} dfs -get '/bench/*' ${target}/`),
      }
      const chosen = Object.entries(contenders).filter(([name]) => only.test(name))
      for (let round = 0; round <= rounds; round++) {
        for (const [name, contender] of round % 2 === 0 ? chosen : chosen.toReversed()) {
          rmSync(target, { recursive: true, force: true })
          mkdirSync(target, { recursive: true })
          await runShell('sync')
          const { wallSeconds, cpuSeconds, rssPeakMib } = await contender()
          for (const [index, file] of names.entries())
            if ((await sha256(join(target, file))) !== digests[index]) throw new Error(`${file} differs after ${name}`)
          const bytes = each.files * each.fileBytes
          if (round > 0) samples.push({ workload: each.name, name, bytes, wallSeconds, cpuSeconds, rssPeakMib })
        }
      }
      rmSync(target, { recursive: true, force: true })
      await run([details.hdfsCommand, 'dfs', '-rm', '-r', '-skipTrash', '/bench'])
    }
  } finally {
    await stopSite(site)
    rmSync(site, { recursive: true, force: true })
  }
  return samples
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
