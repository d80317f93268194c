/** `npm run services -- provision|up|down|status|doctor NAMES…`: a developer's own services, in one line. */
import { styleText } from 'node:util'
import { causeChain, SupercargoError, toSupercargoError, usageExitCode } from '@supercargo/protocol'
import { isProvisioned } from './availability.ts'
import { cacheDirectory } from './cache.ts'
import { type ServiceName, serviceNamed, serviceNames } from './catalog.ts'
import { ensureRunning, instancesOf, leftovers, shellRunDirectory, stopOrphans, stopRun } from './run.ts'
import type { Progress } from './service.ts'
import { siteAlive, stopSite } from './site.ts'

const usage = `Usage: npm run services -- COMMAND [NAME…] [--port=NAME.PORT=NUMBER]

  provision  get or build into the cache, and start nothing
  up         get or build, start, and print what to export; eval "$(npm run -s services -- up nginx)"
  down       stop
  status     what runs, and where
  doctor     what each service needs that this machine lacks, and what is built

Without a name, all but up mean all services.

Services: ${serviceNames.join(' ')}
`

const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () =>
    interrupted.abort(new SupercargoError('interrupted', 'interrupted', `stopped by ${signal}`)),
  )

const progress: Progress = { say: (line) => void process.stderr.write(`${line}\n`), signal: interrupted.signal }

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (cause) {
  const error = toSupercargoError(cause)
  process.stderr.write(
    `${styleText('red', 'error:')} ${causeChain(error).join('\n  ')}\n${error.hint === undefined ? '' : `${error.hint}\n`}`,
  )
  process.exitCode = error.exitCode
}

async function main(argv: readonly string[]): Promise<number> {
  const [verb, ...rest] = argv
  const ports = portOptions(rest)
  const names = rest.filter((each) => !each.startsWith('--')).map(serviceName)
  if (verb === 'provision') return await provision(names.length > 0 ? names : serviceNames)
  if (verb === 'up' && names.length > 0) return await up(names, ports)
  if (verb === 'down') return await down(names)
  if (verb === 'status') return status()
  if (verb === 'doctor') return await doctor(names.length > 0 ? names : serviceNames)
  process.stderr.write(usage)
  return usageExitCode
}

/** What cannot be had does not keep the rest from being built. */
async function provision(names: readonly ServiceName[]): Promise<number> {
  const began = performance.now()
  let lacking = 0
  for (const name of names) {
    const service = serviceNamed(name)
    const missing = await service.missing()
    for (const each of missing) progress.say(`${name}: ${each.what} is missing. ${each.install}`)
    lacking += missing.length
    if (missing.length === 0) await service.provision({ ...progress, say: (line) => progress.say(`${name}: ${line}`) })
  }
  progress.say(`done in ${Math.round((performance.now() - began) / 1000)} s`)
  return lacking === 0 ? 0 : 1
}

async function up(names: readonly ServiceName[], ports: Readonly<Record<string, number>>): Promise<number> {
  await stopOrphans(progress.say)
  for (const name of names) {
    const own = Object.entries(ports).filter(([key]) => key.startsWith(`${name}.`))
    const chosen = Object.fromEntries(own.map(([key, port]) => [key.slice(name.length + 1), port]))
    const { details } = await ensureRunning(shellRunDirectory(), name, progress, chosen)
    for (const [key, value] of Object.entries(serviceNamed(name).exports(details)))
      process.stdout.write(`export ${key}=${quote(value)}\n`)
  }
  return 0
}

async function down(names: readonly ServiceName[]): Promise<number> {
  await stopOrphans(progress.say)
  if (names.length === 0) await stopRun(shellRunDirectory())
  for (const name of names) await stopSite(`${shellRunDirectory()}/${name}`)
  const left =
    names.length === 0
      ? leftovers(shellRunDirectory())
      : names.flatMap((name) => leftovers(`${shellRunDirectory()}/${name}`))
  for (const each of left) progress.say(`still there: ${each}`)
  return left.length === 0 ? 0 : 1
}

function status(): number {
  const instances = instancesOf(shellRunDirectory())
  for (const instance of instances) {
    const state = siteAlive(instance.directory) ? 'running' : 'broken: a process has ended'
    process.stdout.write(`${instance.name}  ${instance.versions}  ${state}\n`)
    for (const [key, value] of Object.entries(instance.details))
      process.stdout.write(`  ${key}: ${/secret/i.test(key) ? '[secret]' : value}\n`)
  }
  if (instances.length === 0) process.stdout.write('nothing runs\n')
  return 0
}

async function doctor(names: readonly ServiceName[]): Promise<number> {
  let lacking = 0
  process.stdout.write(`cache: ${cacheDirectory()}\n`)
  for (const name of names) {
    const missing = await serviceNamed(name).missing()
    lacking += missing.length
    const state = missing.length > 0 ? 'cannot be had' : (await isProvisioned(name)) ? 'is here' : 'can be built'
    process.stdout.write(`${name}: ${serviceNamed(name).summary}: ${state}\n`)
    for (const each of missing) process.stdout.write(`  ${each.what} is missing. ${each.install}\n`)
  }
  return lacking === 0 ? 0 : 1
}

function serviceName(word: string): ServiceName {
  if ((serviceNames as readonly string[]).includes(word)) return word as ServiceName
  throw new SupercargoError('invalid', 'service-unknown', `there is no service ${word}`, {
    hint: `There are: ${serviceNames.join(', ')}.`,
  })
}

function portOptions(words: readonly string[]): Record<string, number> {
  const ports: Record<string, number> = {}
  for (const word of words.filter((each) => each.startsWith('--'))) {
    const match = /^--port=([a-z0-9-]+\.[a-z0-9-]+)=(\d{1,5})$/.exec(word)
    if (match === null)
      throw new SupercargoError('invalid', 'option-unknown', `${word} is not an option`, {
        hint: '--port=nginx.http=8080',
      })
    ports[match[1]!] = Number(match[2])
  }
  return ports
}

function quote(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`
}
