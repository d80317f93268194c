/** Looks up who reads, beside the bytes: few questions to the cluster at a time, each address of a resource once. */
import type { Owner } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import type { Log } from '../../log.ts'
import type { Store } from '../../store/store.ts'
import { withReader } from './ownership.ts'

/** The owner to which the pod with this address belongs; undefined when there is none. */
export type FindReader = (address: string, namespace: string, signal: AbortSignal) => Promise<Owner | undefined>

/** Notes which pods read, so that they become owners. */
export interface Readers {
  /** A pod at this address reads the resource. Returns at once; what can be found out is written down later. */
  seen(resourceId: string, namespace: string, address: string): void
  /** Resolves when nothing is being looked up. */
  settled(): Promise<void>
  close(): void
}

export interface ReadersOptions {
  readonly store: Store
  readonly find: FindReader | undefined
  readonly log: Log
  readonly clock: Clock
}

/** Questions to the cluster at one time. */
const lookupsMax = 2
/** What waits beyond this is dropped: the file is then kept by its age, or the next read asks. */
const waitingMax = 4096
/** Pairs of resource and address that are remembered as done, and addresses with their answers. */
const rememberedMax = 4096
/** An address may be another pod's after this; one pod reads many files in it. */
const answerMs = 5000
/** A pod may read before the API server knows its address: who is not found is looked for once more after this. */
const secondLookMs = 15_000

interface Sighting {
  readonly key: string
  readonly resourceId: string
  readonly namespace: string
  readonly address: string
  readonly again: boolean
}

export function createReaders({ store, find, log, clock }: ReadersOptions): Readers {
  const stop = new AbortController()
  const waiting: Sighting[] = []
  const noted = new Set<string>()
  const answers = new Map<string, { readonly owner: Owner | undefined; readonly untilMs: number }>()
  const running = new Set<Promise<void>>()

  async function ask(sighting: Sighting): Promise<Owner | undefined> {
    const key = `${sighting.namespace} ${sighting.address}`
    const answer = answers.get(key)
    if (answer !== undefined && clock.monotonic() < answer.untilMs) return answer.owner
    const askedAtMs = clock.monotonic()
    const owner = await find!(sighting.address, sighting.namespace, stop.signal)
    remember(answers, key, { owner, untilMs: askedAtMs + answerMs })
    return owner
  }

  async function work(): Promise<void> {
    for (let next = waiting.shift(); next !== undefined && !stop.signal.aborted; next = waiting.shift()) {
      const { resourceId, key } = next
      try {
        const owner = await ask(next)
        if (owner !== undefined) await store.update(resourceId, (record) => withReader(record, owner))
        else if (!next.again) lookAgain(next)
      } catch (error) {
        // Nothing is lost: without an owner the age keeps it, and the next read asks again.
        noted.delete(key)
        log.warn({ error, resourceId }, 'who reads a file could not be found out')
      }
    }
  }

  function lookAgain(sighting: Sighting): void {
    clock.sleep(secondLookMs, stop.signal).then(
      () => enqueue({ ...sighting, again: true }),
      () => undefined, // The server is closing.
    )
  }

  function enqueue(sighting: Sighting): void {
    if (waiting.length >= waitingMax) return
    waiting.push(sighting)
    if (running.size >= lookupsMax) return
    const worker: Promise<void> = work().finally(() => running.delete(worker))
    running.add(worker)
  }

  return {
    seen(resourceId, namespace, address) {
      const key = `${resourceId} ${address}`
      if (find === undefined || noted.has(key) || stop.signal.aborted) return
      if (noted.size >= rememberedMax) noted.delete(noted.values().next().value!)
      noted.add(key)
      enqueue({ key, resourceId, namespace, address, again: false })
    },
    async settled() {
      while (running.size > 0) await Promise.all(running)
    },
    close: () => stop.abort(),
  }
}

function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key)
  if (map.size >= rememberedMax) map.delete(map.keys().next().value!)
  map.set(key, value)
}
