/**
 * `npm run bench -- front-door`: one large file by WebHDFS and by the v1 API, both through curl, and the same client of Hadoop against us
 * and against a real HDFS.
 */
import { createHash } from 'node:crypto'
import { createReadStream, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { startInstance } from '../services/run.ts'
import { stopSite } from '../services/site.ts'
import { type Cost, cpuSeconds, resetRssPeak, rssPeakMib, runShell } from './process-meter.ts'
import type { Sample } from './report.ts'
import { Supercargo } from './supercargo.ts'
import { makeFiles, type Workload } from './workloads.ts'

export interface FrontDoorBench {
  /** Where the bundle is. */
  readonly dist: string
  readonly scratch: string
  readonly rounds: number
  /** Names of contenders that are wanted. */
  readonly only: RegExp
}

interface Contender {
  /** A shell's; the clock runs for this alone. */
  readonly script: string
  /** Before it and after it, unmeasured. */
  readonly prepare?: string
  readonly tidy?: string
  /** Has the server's cost beside it. */
  readonly served: boolean
}

const workload: Workload = { name: '1 x 512 MiB', files: 1, fileBytes: 512 * 2 ** 20 }

const hadoopContenders = [
  'upload by Hadoop / supercargo',
  'download by Hadoop / supercargo',
  'upload by Hadoop / HDFS',
  'download by Hadoop / HDFS',
]

/** Interleaved; round 0 warms caches. Every download is compared. Uploads are removed, so that each is of new bytes to the server. */
export async function measureFrontDoor({ dist, scratch, rounds, only }: FrontDoorBench): Promise<Sample[]> {
  const [site, source, target] = [join(scratch, 'hdfs'), join(scratch, 'source'), join(scratch, 'target')]
  const file = join(source, makeFiles(workload, source)[0]!)
  const digest = await sha256(file)
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  const wanted = (name: string): boolean => only.test(name)
  const signal = AbortSignal.timeout(600_000)
  const hdfs = hadoopContenders.some(wanted) ? (await startInstance('hdfs', site, { say, signal })).details : undefined
  const server = await new Supercargo(dist, join(scratch, 'supercargo')).serve(join(scratch, 'store'))
  const samples: Sample[] = []
  try {
    const all = { ...curlContenders(server.url, file, target, scratch), ...byHadoop(server.url, hdfs, file, target) }
    const chosen = Object.entries(all).filter(([name]) => wanted(name))
    for (let round = 0; round <= rounds; round++) {
      for (const [name, { script, prepare, tidy, served }] of round % 2 === 0 ? chosen : chosen.toReversed()) {
        rmSync(target, { force: true })
        if (prepare !== undefined) await runShell(prepare)
        await runShell('sync')
        resetRssPeak(server.pid)
        const before = cpuSeconds(server.pid)
        const { wallSeconds, cpuSeconds: clientCpu, rssPeakMib: clientRss }: Cost = await runShell(script)
        const cost = { serverCpuSeconds: cpuSeconds(server.pid) - before, serverRssPeakMib: rssPeakMib(server.pid) }
        if (name.startsWith('download') && (await sha256(target)) !== digest)
          throw new Error(`${name} gave other bytes`)
        if (tidy !== undefined) await runShell(tidy)
        const client = { wallSeconds, cpuSeconds: clientCpu, rssPeakMib: clientRss }
        const sample = { workload: workload.name, name, bytes: workload.fileBytes, ...client, ...(served ? cost : {}) }
        if (round > 0) samples.push(sample)
      }
    }
  } finally {
    await server.stop()
    if (hdfs !== undefined) await stopSite(site)
    rmSync(site, { recursive: true, force: true })
  }
  return samples
}

function curlContenders(url: string, file: string, target: string, scratch: string): Record<string, Contender> {
  const [owner, answer, address] = ['owner.json', 'answer.json', 'address'].map((name) => join(scratch, name))
  writeFileSync(owner!, '{"namespace":"bench","kind":"Pod","name":"driver"}')
  const curl = 'curl -sS --fail'
  const door = `${url}/webhdfs/v1/bench/a.jar`
  // As Hadoop's client sends it: the second step to the address of the first, in chunks.
  const put = `${curl} -X PUT -o /dev/null -w '%{redirect_url}' '${door}?op=CREATE&overwrite=true' > ${address}
    ${curl} -H Expect: -H 'Transfer-Encoding: chunked' -T ${file} "$(cat ${address})"`
  const drop = `${curl} -X DELETE '${door}?op=DELETE' > /dev/null`
  const post = `${curl} -H Expect: -F owner=@${owner} -F file=@${file} ${url}/api/v1/resources > ${answer}`
  const field = (name: string): string => `$(sed -E 's/.*"${name}":"([^"]+)".*/\\1/' ${answer})`
  const one = `-H "Authorization: Bearer ${field('resourceSecret')}" ${url}/api/v1/resources/${field('resourceId')}`
  const release = `${curl} -X DELETE ${one}`
  const get = `${curl} -L -o ${target} '${door}?op=OPEN'`
  const fetched = `${curl} -o ${target} ${one}/files/${basename(file)}`
  return {
    'upload / supercargo, WebHDFS by curl': { script: put, tidy: drop, served: true },
    'upload / v1 by curl': { script: post, tidy: release, served: true },
    'download / supercargo, WebHDFS by curl': { prepare: put, script: get, tidy: drop, served: true },
    'download / v1 by curl': { prepare: post, script: fetched, tidy: release, served: true },
  }
}

/** Hadoop's client starts a JVM; what it costs beyond that is the difference to the same client at an HDFS. */
function byHadoop(
  url: string,
  hdfs: { readonly hdfsCommand: string; readonly webUrl: string } | undefined,
  file: string,
  target: string,
): Record<string, Contender> {
  if (hdfs === undefined) return {}
  const [ours, real] = [url, hdfs.webUrl].map((base) => {
    const folder = `webhdfs://${new URL(base).host}/bench`
    const fs = `${hdfs.hdfsCommand} dfs`
    return {
      put: `${fs} -mkdir -p ${folder}; ${fs} -put -f ${file} ${folder}/b.jar`,
      get: `${fs} -get ${folder}/b.jar ${target}`,
      drop: `${fs} -rm -skipTrash ${folder}/b.jar`,
    }
  })
  const at = ({ put, get, drop }: NonNullable<typeof ours>, served: boolean): readonly Contender[] => [
    { script: put, tidy: drop, served },
    { prepare: put, script: get, tidy: drop, served },
  ]
  const all = [...at(ours!, true), ...at(real!, false)]
  return Object.fromEntries(hadoopContenders.map((name, index) => [name, all[index]!]))
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
