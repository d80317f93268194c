/** A run: the instances that one test run or one shell has started, where they are written down, and how all of them are stopped. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SupercargoError, toSupercargoError } from '@supercargo/protocol'
import { cacheDirectory } from './cache.ts'
import { type ServiceDetails, type ServiceName, serviceNamed, serviceNames } from './catalog.ts'
import { type KernelLock, lock, tryLock } from './kernel-lock.ts'
import { mountsBelow } from './mounts.ts'
import type { Details, Progress, Service } from './service.ts'
import { openSite, siteAlive, stopSite } from './site.ts'
import { endProcessesOf, processesOf } from './site-processes.ts'

/** An instance that answers, as it is written down for others. */
export interface Instance<D extends Details = Details> {
  readonly name: ServiceName
  readonly versions: string
  readonly directory: string
  readonly details: D
  readonly provisionSeconds: number
  readonly startSeconds: number
}

const instanceFile = 'instance.json'
const shellRun = 'shell'
const strayGraceMs = 1000

export function runsDirectory(): string {
  return join(cacheDirectory(), 'run')
}

/** The run of `services up`: it stays until `services down`. */
export function shellRunDirectory(): string {
  return join(runsDirectory(), shellRun)
}

/** Marks the run as alive for as long as this process is. A run that nobody holds is an orphan. */
export async function holdRun(run: string): Promise<KernelLock> {
  await mkdir(run, { recursive: true })
  const held = await tryLock(run)
  if (held === undefined) throw new SupercargoError('conflict', 'run-held', `the run ${run} belongs to another process`)
  return held
}

/** The running instance of the run: the one that is there, or a new one. One caller starts, the others wait for it. */
export async function ensureRunning<N extends ServiceName>(
  run: string,
  name: N,
  progress: Progress,
  ports: Readonly<Record<string, number>> = {},
): Promise<Instance<ServiceDetails<N>>> {
  await mkdir(run, { recursive: true })
  const directory = join(run, name)
  const held = await lock(directory, progress.signal)
  try {
    const known = knownInstance<N>(directory)
    if (known !== undefined && siteAlive(directory)) return known
    const earlier = join(run, `${name}.failed`)
    if (existsSync(earlier) && run !== shellRunDirectory())
      throw new SupercargoError(
        'unavailable',
        'service-failed',
        `${name} did not start earlier in this run:\n${readFileSync(earlier, 'utf8')}`,
      )
    try {
      return await startInstance(name, directory, progress, ports)
    } catch (cause) {
      writeFileSync(earlier, toSupercargoError(cause).message)
      throw cause
    }
  } finally {
    await held.release()
  }
}

/** Provisions and starts one instance in a directory, at `address` where the service can. When it fails nothing is left. */
export async function startInstance<N extends ServiceName>(
  name: N,
  directory: string,
  progress: Progress,
  ports: Readonly<Record<string, number>> = {},
  address?: string,
): Promise<Instance<ServiceDetails<N>>> {
  const service = serviceNamed(name)
  const named: Progress = { signal: progress.signal, say: (line) => progress.say(`${name}: ${line}`) }
  const lacking = await service.missing()
  if (lacking.length > 0)
    throw new SupercargoError(
      'unavailable',
      'service-missing',
      `${name} cannot run here: ${lacking.map((each) => each.what).join(', ')} missing`,
      {
        hint: lacking.map((each) => each.install).join(' '),
      },
    )
  const began = performance.now()
  const assets = await service.provision(named)
  const provisioned = performance.now()
  const details = await startTwice(service, assets, directory, named, { ports, address })
  const instance: Instance<ServiceDetails<N>> = {
    name,
    versions: service.versions,
    directory,
    details: details as ServiceDetails<N>,
    provisionSeconds: seconds(began, provisioned),
    startSeconds: seconds(provisioned, performance.now()),
  }
  writeFileSync(join(directory, `${instanceFile}.part`), JSON.stringify(instance), { mode: 0o600 })
  await rename(join(directory, `${instanceFile}.part`), join(directory, instanceFile))
  named.say(`started in ${instance.startSeconds} s`)
  return instance
}

/** The shared instances of a run, in the order of the catalog. */
export function instancesOf(run: string): Instance[] {
  return serviceNames.map((name) => knownInstance(join(run, name))).filter((each) => each !== undefined)
}

/** Stops what the run has started, also what is half started, and forgets the run. */
export async function stopRun(run: string): Promise<void> {
  const sites = existsSync(run) ? readdirSync(run, { withFileTypes: true }).filter((entry) => entry.isDirectory()) : []
  await Promise.all(sites.map((site) => stopSite(join(run, site.name))))
  await endProcessesOf(run, strayGraceMs)
  if (process.env.SUPERCARGO_TEST_KEEP !== '1') await rm(run, { recursive: true, force: true })
}

/** Stops the runs whose process is gone, which happens only when their reaper was killed too. */
export async function stopOrphans(say: (line: string) => void): Promise<void> {
  if (!existsSync(runsDirectory())) return
  for (const entry of readdirSync(runsDirectory())) {
    const run = join(runsDirectory(), entry)
    if (run === shellRunDirectory()) continue
    const held = await tryLock(run)
    if (held === undefined) continue
    say(`stopping what an ended run left: ${entry}`)
    await stopRun(run)
    await held.release()
  }
}

/** What is still running or mounted for a directory: nothing, after a stop. */
export function leftovers(directory: string): string[] {
  return [
    ...processesOf(directory).map((each) => `process ${each.pid}: ${each.command}`),
    ...mountsBelow(directory).map((point) => `mount ${point}`),
  ]
}

/** A port that was free a moment ago may be taken by now; the second attempt gets others, unless they were asked for. */
async function startTwice(
  service: Service,
  assets: unknown,
  directory: string,
  progress: Progress,
  where: { readonly ports: Readonly<Record<string, number>>; readonly address: string | undefined },
): Promise<Details> {
  for (let attempt = 1; ; attempt++) {
    await stopSite(directory)
    try {
      const site = openSite(directory, progress, where.ports, where.address)
      const details = await service.start(site, assets)
      progress.signal.throwIfAborted()
      return details
    } catch (error) {
      await stopSite(directory)
      const cause = asDiskFull(error, service.name, directory)
      if (attempt === 2 || !SupercargoError.is(cause) || cause.code !== 'port-taken') throw cause
    }
  }
}

/** Whoever found the disk full, this process or a program: it is one sentence that says which disk. */
function asDiskFull(error: unknown, name: string, directory: string): unknown {
  const full =
    (error as NodeJS.ErrnoException).code === 'ENOSPC' || (SupercargoError.is(error) && error.kind === 'exhausted')
  if (!full) return error
  return new SupercargoError('exhausted', 'disk-full', `the disk of ${directory} is too full to start ${name}`, {
    cause: error,
    hint: 'Free some space, or point SUPERCARGO_TEST_CACHE at a larger disk.',
  })
}

function knownInstance<N extends ServiceName>(directory: string): Instance<ServiceDetails<N>> | undefined {
  const file = join(directory, instanceFile)
  if (!existsSync(file)) return undefined
  return JSON.parse(readFileSync(file, 'utf8')) as Instance<ServiceDetails<N>>
}

function seconds(from: number, to: number): number {
  return Math.round((to - from) / 100) / 10
}
