/** What tests ask for: a running service, shared by all test files of the run, or an instance of their own. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import { describe, inject, it } from 'vitest'
import { reasonsAgainst } from './availability.ts'
import type { ServiceDetails, ServiceName } from './catalog.ts'
import { note } from './report.ts'
import { ensureRunning, type Instance, leftovers, startInstance } from './run.ts'
import type { Progress } from './service.ts'
import { stopSite } from './site.ts'

/** Time for a first use in an empty cache: the builds of a cluster included. */
export const provisionTimeoutMs = 60 * 60_000

/** The service's addresses; it is started by whoever asks first, and stopped at the end of the run, whatever happens. */
export async function running<N extends ServiceName>(name: N): Promise<ServiceDetails<N>> {
  const run = inject('servicesRun')
  const instance = await ensureRunning(run, name, progress())
  noteReal(run, instance)
  return instance.details
}

export interface OwnInstance<N extends ServiceName> extends Instance<ServiceDetails<N>> {
  stop(): Promise<void>
}

/**
 * An instance for one test file alone: to be stopped, killed, filled, or to listen at an address that pods see (`s3` and `hdfs`
 * can). Stopped at the end of the run in any case.
 */
export async function ownInstance<N extends ServiceName>(name: N, address?: string): Promise<OwnInstance<N>> {
  const run = inject('servicesRun')
  const directory = join(run, `${name}-${randomBytes(3).toString('hex')}`)
  const instance = await startInstance(name, directory, progress(), {}, address)
  noteReal(run, instance)
  return { ...instance, stop: () => stopSite(directory) }
}

/** Stops an instance, when there is one, and tells what is left of it: nothing, or a test must fail. */
export async function stopped(instance: OwnInstance<ServiceName> | undefined): Promise<string[]> {
  await instance?.stop()
  return instance === undefined ? [] : leftovers(instance.directory)
}

/**
 * Tests that need these services. Where one cannot be had they are left out, with a line at the end of the run that says what to
 * install; with CI=true that is a failure by name.
 */
export function describeWith(names: readonly ServiceName[], title: string, body: () => void): void {
  describe(title, async () => {
    const absent: ServiceName[] = []
    for (const name of names) {
      const missing = await reasonsAgainst(name)
      if (missing.length === 0) continue
      absent.push(name)
      note(inject('servicesRun'), { name, kind: 'left-out', missing })
    }
    if (absent.length === 0) {
      body()
      return
    }
    it(`has ${absent.join(', ')}`, (context) => {
      if (process.env.CI !== 'true') return context.skip(`${absent.join(', ')} cannot be had here`)
      throw new SupercargoError(
        'unavailable',
        'service-missing',
        `${absent.join(', ')} cannot be had here, and CI leaves nothing out`,
      )
    })
  })
}

function noteReal(run: string, instance: Instance): void {
  const { name, versions, provisionSeconds, startSeconds } = instance
  note(run, { name, kind: 'real', versions, provisionSeconds, startSeconds })
}

/** What a long step of a test tells and hears. */
export function progress(): Progress {
  return {
    signal: AbortSignal.timeout(provisionTimeoutMs),
    say: (line) => void process.stderr.write(`services: ${line}\n`),
  }
}
