/**
 * `npm run bench`: what moving jars costs here, side by side with what a user would pick instead, interleaved in one run.
 * `npm run bench -- hdfs`: the same for fetching from an HDFS, beside Hadoop's own client.
 * `npm run bench -- front-door`: the same bytes by WebHDFS and by the v1 API, through curl and through Hadoop's own client.
 * `npm run bench -- s3`, `-- http`: the same for fetching from a store, or a web server, that is not ours.
 * `npm run bench -- herd`: --clients N (500) that want the same --file-mib N (200) at once, beside nginx.
 * `npm run bench -- soak`: uploads, herds and clients that break off, for --minutes N (30).
 *
 * Options: --rounds N (5), --only REGEX (names of measurements), --workload REGEX, --json FILE. Needs bash, curl, tar; nginx,
 * docker-registry and aria2c (for s3: s5cmd and aws) are measured where they are installed.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  cpSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { nginxInstalled, startNginx } from './nginx.ts'
import { PageCache } from './page-cache.ts'
import { type Cost, cpuSeconds, resetRssPeak, rssPeakMib, run, runShell } from './process-meter.ts'
import { registryInstalled, startRegistry } from './registry.ts'
import { printTable, type Sample, summarise } from './report.ts'
import { type Staged, Supercargo } from './supercargo.ts'
import { changeOnePercent, makeFiles, type Workload, workloads } from './workloads.ts'

const {
  values: options,
  positionals: [subject],
} = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    workload: { type: 'string', default: '' },
    json: { type: 'string' },
    dist: { type: 'string' },
    clients: { type: 'string', default: '500' },
    'file-mib': { type: 'string', default: '200' },
    minutes: { type: 'string', default: '30' },
  },
})
const rounds = Number(options.rounds)
const wanted = new RegExp(options.only)
const repository = resolve(import.meta.dirname, '..', '..')
const scratch = mkdtempSync(join(tmpdir(), 'supercargo-bench-'))
const samples: Sample[] = []
const pageCache = new PageCache(join(scratch, 'page-cache'))

try {
  const dist = options.dist ?? join(scratch, 'dist')
  if (options.dist === undefined) {
    const built = spawnSync(process.execPath, [join(repository, 'test/build/build.ts'), '--out', dist], {
      stdio: 'inherit',
    })
    if (built.status !== 0) throw new Error('the build failed')
  }
  if (subject === 'herd' || subject === 'soak') {
    await measureMany(subject, join(dist, 'supercargo.mjs'))
  } else if (subject === 'hdfs') {
    const { measureHdfs } = await import('./hdfs.ts')
    const [program, workload] = [join(dist, 'supercargo.mjs'), new RegExp(options.workload)]
    samples.push(...(await measureHdfs({ program, scratch, rounds, workload, only: wanted })))
  } else if (subject === 'front-door') {
    const { measureFrontDoor } = await import('./front-door.ts')
    samples.push(...(await measureFrontDoor({ dist, scratch, rounds, only: wanted })))
  } else {
    for (const workload of workloads.filter(({ name }) => new RegExp(options.workload).test(name))) {
      if (subject === undefined) await measure(workload, dist)
      else await measureStore(subject, workload, dist)
    }
  }
  if (samples.length > 0) {
    const summary = summarise(samples)
    printTable(summary)
    writeJson({ rounds, node: process.version, summary, samples })
  }
} finally {
  pageCache.close()
  rmSync(scratch, { recursive: true, force: true })
}

function writeJson(results: object): void {
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`)
}

/** What many clients cost one server. */
async function measureMany(subject: 'herd' | 'soak', program: string): Promise<void> {
  if (subject === 'soak') {
    const { benchSoak, printSoak } = await import('./soak.ts')
    const soaked = await benchSoak(program, scratch, Number(options.minutes))
    printSoak(soaked)
    return writeJson({ node: process.version, samples: soaked })
  }
  const { benchHerd, printHerd } = await import('./herd.ts')
  const [clients, fileMib] = [Number(options.clients), Number(options['file-mib'])]
  const herd = await benchHerd({ program, scratch, rounds, clients, fileMib })
  printHerd(herd)
  writeJson({ rounds, clients, fileMib, node: process.version, samples: herd })
}

/** Everything in a folder of a store, by whoever can. */
async function measureStore(store: string, workload: Workload, dist: string): Promise<void> {
  if (store !== 's3' && store !== 'http') throw new Error(`there is nothing to measure that is called ${store}`)
  const [source, target] = [join(scratch, 'source'), join(scratch, 'target')]
  const names = makeFiles(workload, source)
  const program = join(dist, 'supercargo.mjs')
  const bench =
    store === 's3'
      ? await (await import('./s3.ts')).s3Bench(program, scratch, source, names)
      : await (await import('./http.ts')).httpBench(
          program,
          scratch,
          source,
          names,
          workload.files * workload.fileBytes,
        )
  const chosen = Object.entries(bench.contenders).filter(([name]) => wanted.test(name))
  try {
    for (let round = 0; round <= rounds; round++) {
      for (const [name, contender] of shuffled(chosen)) {
        rmSync(target, { recursive: true, force: true })
        await settle()
        const sample = alone(await contender(target))
        await compare(source, target, names)
        if (round > 0)
          samples.push({ ...sample, workload: workload.name, name, bytes: workload.files * workload.fileBytes })
      }
    }
  } finally {
    await bench.stop()
    rmSync(source, { recursive: true, force: true })
    rmSync(target, { recursive: true, force: true })
  }
}

async function measure(workload: Workload, dist: string): Promise<void> {
  const source = join(scratch, 'source')
  const names = makeFiles(workload, source)
  const supercargo = new Supercargo(dist, join(scratch, 'supercargo'))
  const server = await supercargo.serve(join(scratch, 'store'))
  const nginx = nginxInstalled() ? await startNginx(join(scratch, 'nginx')) : undefined
  const registry =
    registryInstalled() && workload.files === 1 ? await startRegistry(join(scratch, 'registry')) : undefined
  if (nginx !== undefined) cpSync(source, join(nginx.directory, 'jars'), { recursive: true })
  let staged: Staged | undefined
  let former: Staged | undefined
  const target = join(scratch, 'target')

  const contenders: Record<string, () => Promise<Sample>> = {
    'upload / supercargo stage': async () => {
      return await withServer(server.pid, async () => {
        const result = await supercargo.stage(server, source)
        former = staged
        staged = result.staged
        return { ...result.cost, sentBytes: result.staged.sentBytes }
      })
    },
    'localize / supercargo localize': async () => {
      staged ??= (await supercargo.stage(server, source)).staged
      const sample = await withServer(server.pid, () => supercargo.localize(server, staged!, target))
      await compare(source, target, names)
      return sample
    },
    'again, 1 % changed / supercargo stage': async () => {
      return await withServer(server.pid, async () => {
        const result = await supercargo.stage(server, source)
        former = staged
        staged = result.staged
        return { ...result.cost, sentBytes: result.staged.sentBytes }
      })
    },
    'upload / cp': async () => alone(await runShell(`cp -r ${source} ${target}`)),
    'localize / cp': async () => alone(await runShell(`cp -r ${source} ${target}`)),
  }
  if (nginx !== undefined) {
    const url = `${nginx.url}/jars`
    contenders['upload / curl to nginx DAV'] = async () =>
      await withServer(nginx.pid, () =>
        run([
          'curl',
          '-sS',
          '--fail',
          '--parallel',
          '--parallel-max',
          '8',
          '-K',
          uploadList(names, source, `${nginx.url}/in`),
        ]),
      )
    contenders['localize / curl from nginx'] = async () => {
      mkdirSync(target)
      const sample = await withServer(nginx.pid, () =>
        run(['curl', '-sS', '--fail', '--parallel', '--parallel-max', '8', '-K', downloadList(names, url, target)]),
      )
      return sample
    }
    const tarUpload = `tar cz -C ${source} . | curl -sS --fail -H Expect: -T - ${nginx.url}/jars.tar.gz`
    const tarDownload = `mkdir -p ${target} && curl -sS --fail ${nginx.url}/jars.tar.gz | tar xz -C ${target}`
    contenders['upload / tar cz | curl to nginx'] = async () => await withServer(nginx.pid, () => runShell(tarUpload))
    contenders['localize / curl | tar xz'] = async () => {
      if (!existsSync(join(nginx.directory, 'jars.tar.gz'))) await runShell(tarUpload)
      return await withServer(nginx.pid, () => runShell(tarDownload))
    }
    contenders['again, 1 % changed / tar cz, upload, download, tar xz'] = async () =>
      await withServer(nginx.pid, () => runShell(`${tarUpload}; ${tarDownload}`))
    if (spawnSync('aria2c', ['--version']).status === 0) {
      contenders['localize / aria2c from nginx'] = async () => {
        writeFileSync(join(scratch, 'aria2'), names.map((name) => `${url}/${name}\n`).join(''))
        return await withServer(nginx.pid, () =>
          run([
            'aria2c',
            '-q',
            '-j8',
            '-x4',
            '-s4',
            '-k16M',
            '--file-allocation=none',
            '-d',
            target,
            '-i',
            join(scratch, 'aria2'),
          ]),
        )
      }
    }
  }
  if (registry !== undefined) {
    contenders['upload / curl to docker-registry'] = async () => {
      const digest = await sha256(join(source, names[0]!))
      const begin = await fetch(`${registry.url}/v2/bench/blobs/uploads/`, { method: 'POST' })
      const location = begin.headers.get('location')!
      const target = new URL(
        location.includes('?') ? `${location}&digest=sha256:${digest}` : `${location}?digest=sha256:${digest}`,
        registry.url,
      )
      const sample = await withServer(registry.pid, () =>
        run([
          'curl',
          '-sS',
          '--fail',
          '-H',
          'Expect:',
          '-H',
          'Content-Type: application/octet-stream',
          '-T',
          join(source, names[0]!),
          target.href,
        ]),
      )
      rmSync(join(scratch, 'registry', 'data'), { recursive: true, force: true })
      return sample
    }
  }

  /** What happens before the clock runs: other bytes in every file, so that a first submission is one; or in a few. */
  const prepare = async (name: string): Promise<void> => {
    if (name === 'upload / supercargo stage') makeFiles(workload, source)
    if (name.startsWith('again')) staged ??= (await supercargo.stage(server, source)).staged
    if (name.startsWith('again')) changeOnePercent(names, workload, source)
  }

  const chosen = Object.entries(contenders).filter(([name]) => wanted.test(name))
  try {
    for (let round = 0; round <= rounds; round++) {
      for (const [name, contender] of shuffled(chosen)) {
        rmSync(target, { recursive: true, force: true })
        await prepare(name)
        await settle()
        process.stderr.write(`\r${workload.name}, round ${round} of ${rounds}: ${name}${' '.repeat(40)}`)
        const sample = await contender()
        if (former !== undefined) await supercargo.release(server, former)
        former = undefined
        // Round 0 warms caches and compilers.
        if (round > 0)
          samples.push({ ...sample, workload: workload.name, name, bytes: workload.files * workload.fileBytes })
      }
      if (nginx !== undefined) rmSync(join(nginx.directory, 'in'), { recursive: true, force: true })
    }
  } finally {
    process.stderr.write(`\r${' '.repeat(100)}\r`)
    await Promise.all([server.stop(), nginx?.stop(), registry?.stop()])
    for (const each of readdirSync(scratch))
      if (each !== 'dist' && each !== 'page-cache') rmSync(join(scratch, each), { recursive: true, force: true })
  }
}

/** A client's cost with the server's beside it. */
async function withServer<T extends Cost>(
  pid: number,
  work: () => Promise<T & { sentBytes?: number }>,
): Promise<Sample> {
  resetRssPeak(pid)
  const before = cpuSeconds(pid)
  const cost = await work()
  return {
    workload: '',
    name: '',
    bytes: 0,
    wallSeconds: cost.wallSeconds,
    cpuSeconds: cost.cpuSeconds,
    rssPeakMib: cost.rssPeakMib,
    serverCpuSeconds: cpuSeconds(pid) - before,
    serverRssPeakMib: rssPeakMib(pid),
    ...(cost.sentBytes === undefined ? {} : { sentBytes: cost.sentBytes }),
  }
}

function alone(cost: Cost): Sample {
  return {
    workload: '',
    name: '',
    bytes: 0,
    wallSeconds: cost.wallSeconds,
    cpuSeconds: cost.cpuSeconds,
    rssPeakMib: cost.rssPeakMib,
  }
}

function uploadList(names: readonly string[], source: string, url: string): string {
  const file = join(scratch, 'curl-upload')
  writeFileSync(
    file,
    names
      .map((name) => `next\nheader = "Expect:"\nupload-file = "${join(source, name)}"\nurl = "${url}/${name}"\n`)
      .join('')
      .replace(/^next\n/, ''),
  )
  return file
}

function downloadList(names: readonly string[], url: string, target: string): string {
  const file = join(scratch, 'curl-download')
  writeFileSync(file, names.map((name) => `output = "${join(target, name)}"\nurl = "${url}/${name}"\n`).join(''))
  return file
}

async function compare(source: string, target: string, names: readonly string[]): Promise<void> {
  for (const name of names.length > 20 ? [names[0]!, names.at(-1)!] : names) {
    if ((await sha256(join(source, name))) !== (await sha256(join(target, name))))
      throw new Error(`${name} differs after localizing`)
  }
  const arrived = readdirSync(target).filter((name) => name !== '.supercargo').length
  if (arrived !== names.length) throw new Error(`${arrived} of ${names.length} files arrived`)
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

/** Lets the disk finish what an earlier contender left to it, and gives everybody the same memory. */
async function settle(): Promise<void> {
  await runShell('sync')
  pageCache.fill()
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item)
}
