/** A staging server whose owners live in a cluster, with short times: what it holds, what it sweeps, and what it says. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CollectorStatus, Explanation, Owner } from '@supercargo/protocol'
import { type ServerProcess, startStagingServer } from '../../process/staging-server.ts'
import { until } from '../until.ts'

type Settings = typeof times & {
  /** As JSON. */
  readonly policies: string
}

/** What a staging gave out. */
export interface Held {
  readonly resourceId: string
  readonly resourceSecret: string
}

/** So short that a wrong answer would cost a resource within a second. */
export const times = { sweepInterval: 100, absentGrace: 100, condemned: 200, firstUseTimeout: 500 }
/** Sweeps after which a resource whose owner is believed to be gone would not be there any more. */
export const fatalSweeps = 2 + Math.ceil((times.absentGrace + times.condemned) / times.sweepInterval) + 1
/** Generous: two cores may be shared with anything. */
const patienceMs = 60_000

export class StagingInCluster {
  readonly #arguments: readonly string[]
  #server: ServerProcess | undefined

  private constructor(directory: string, apiServer: string, more: Partial<Settings>) {
    const kubeconfig = join(directory, 'kubeconfig')
    writeFileSync(kubeconfig, JSON.stringify(plainKubeconfig(apiServer)))
    const { policies = '[]', ...durations } = { ...times, ...more }
    const settings = Object.entries(durations).flatMap(([name, ms]) => [`--collector-${kebab(name)}-ms`, String(ms)])
    this.#arguments = [
      ...['--store', join(directory, 'store'), '--kube', 'auto', '--kubeconfig', kubeconfig],
      ...['--log-level', 'info', '--limits-free-bytes-min', '0', ...settings],
      ...['--collector-policies', policies],
    ]
  }

  /** `apiServer` needs no credential: a double, or a proxy. */
  static async start(directory: string, apiServer: string, more: Partial<Settings> = {}): Promise<StagingInCluster> {
    const staging = new StagingInCluster(directory, apiServer, more)
    await staging.start()
    return staging
  }

  async start(): Promise<void> {
    this.#server = await startStagingServer({ arguments: this.#arguments })
  }

  async kill(): Promise<void> {
    await this.#server?.kill()
  }

  async stop(): Promise<void> {
    await this.#server?.stop()
  }

  logged(): string {
    return this.#server!.logged()
  }

  /** One file of a few bytes, in one request. */
  async stage(owner: Owner | readonly Owner[]): Promise<Held> {
    const form = new FormData()
    form.append('owner', JSON.stringify(owner))
    form.append('file', new Blob(['bytes of ', JSON.stringify(owner)]), 'a.jar')
    const answer = await fetch(this.#url('/api/v1/resources'), { method: 'POST', body: form })
    if (answer.status !== 201) throw new Error(`staging answered ${answer.status}: ${await answer.text()}`)
    return (await answer.json()) as Held
  }

  /** Undefined when the resource is not there any more. Changes nothing, as a fetch would. */
  async explain(held: Held): Promise<Explanation | undefined> {
    const answer = await this.#get(held, '?explain')
    return answer.ok ? ((await answer.json()) as Explanation) : undefined
  }

  /** Reads the bytes, which revives what is condemned. */
  async fetchBytes(held: Held): Promise<number> {
    const answer = await this.#get(held, '/files/a.jar')
    await answer.arrayBuffer()
    return answer.status
  }

  async status(): Promise<CollectorStatus> {
    return (await (await fetch(this.#url('/api/v1/collector'))).json()) as CollectorStatus
  }

  /** The HTTP status of the answer. */
  async release(): Promise<number> {
    return (await fetch(this.#url('/api/v1/collector/release'), { method: 'POST' })).status
  }

  /** Waits for this many sweeps that begin from now on. */
  async sweeps(count: number): Promise<void> {
    const seen = new Set<string | undefined>([(await this.status()).lastSweep?.startedAt])
    // A sweep that was under way now may have looked before.
    const next = async () => seen.add((await this.status()).lastSweep?.startedAt).size > count + 2
    await until(`${count} sweeps`, next, { timeoutMs: patienceMs * 3, intervalMs: 20 })
  }

  async until(held: Held, state: Explanation['state'] | 'gone'): Promise<void> {
    const reached = async () => ((await this.explain(held))?.state ?? 'gone') === state
    await until(`${held.resourceId} is ${state}`, reached, { timeoutMs: patienceMs, intervalMs: 20 })
  }

  #get({ resourceId, resourceSecret }: Held, rest: string): Promise<Response> {
    const headers = { authorization: `Bearer ${resourceSecret}` }
    return fetch(this.#url(`/api/v1/resources/${resourceId}${rest}`), { headers })
  }

  #url(path: string): string {
    return `${this.#server!.url}${path}`
  }
}

function plainKubeconfig(server: string): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'it',
    contexts: [{ name: 'it', context: { cluster: 'it', user: 'it' } }],
    clusters: [{ name: 'it', cluster: { server } }],
    users: [{ name: 'it', user: {} }],
  }
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
