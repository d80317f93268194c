/** Asks the cluster for the owners of all resources and remembers what it said: the evidence that the policy judges by. */
import type { ClusterMemory, OwnerLookup, OwnerPresence, OwnerQuery } from '@supercargo/kube'
import { noMemory } from '@supercargo/kube'
import type { Owner } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import type { IndexedResource, ResourceIndex } from './resource-index.ts'

export interface OwnerSurveyOptions {
  readonly lookup: OwnerLookup
  readonly clock: Clock
  /** Binds the store to the cluster of this uid, unless it is bound already; resolves to the one that it is bound to. */
  readonly bindCluster: (uid: string) => Promise<string>
  /** Elapsed time between two looks that counts for the first use at most. */
  readonly creditMsMax: number
}

/** Objects of one owner that are remembered; more than one owner has in earnest. */
const knownUidsMax = 1000

export class OwnerSurvey {
  readonly #options: OwnerSurveyOptions
  readonly #known = new Map<string, readonly string[]>()
  #memory: ClusterMemory = noMemory
  #paused: string | null = null

  constructor(options: OwnerSurveyOptions) {
    this.#options = options
  }

  /** The cluster that the store is bound to, as far as it was seen. */
  get cluster(): string | null {
    return this.#memory.clusterUid ?? null
  }

  /** Why absence is no evidence at the moment, or null. */
  get paused(): string | null {
    return this.#paused
  }

  /** Asks for all owners at once, each of them once, and notes the answers at the resources. */
  async look(index: ResourceIndex, signal: AbortSignal): Promise<void> {
    const { lookup, clock } = this.#options
    const owners = new Map<string, Owner>()
    for (const resource of index.values()) for (const owner of resource.owners) owners.set(keyOf(owner), owner)
    const answer = await lookup.sweep(
      [...owners.values()].map((owner) => this.#query(owner)),
      this.#memory,
      signal,
    )
    await this.#recognise(answer.clusterUid, signal)
    if (this.#paused === null) this.#memory = { ...this.#memory, versions: answer.versions }
    const presence = new Map([...owners.keys()].map((key, position) => [key, this.#evidence(answer.owners[position])]))
    this.#remember(presence)
    const atMs = clock.monotonic()
    for (const resource of index.values()) this.#note(resource, presence, atMs)
  }

  /** Asks about the owners of one resource anew, by requests of their own; stops at the first that is not absent. */
  async confirm(resource: IndexedResource, signal: AbortSignal): Promise<OwnerPresence[]> {
    const answers: OwnerPresence[] = []
    for (const owner of resource.owners) {
      const answer = this.#evidence(await this.#options.lookup.confirm(this.#query(owner), this.#memory, signal))
      answers.push(answer)
      if (answer.state !== 'absent') break
    }
    if (answers.some(({ state }) => state === 'present')) this.#saw(resource)
    return answers
  }

  /** Absence in another cluster is no absence: the store is bound to the first one that it meets. */
  async #recognise(answered: string | undefined, signal: AbortSignal): Promise<void> {
    this.#paused = null
    const uid = answered ?? (await this.#options.lookup.clusterUid(signal))
    if (uid === undefined) return
    const bound = await this.#options.bindCluster(uid)
    this.#memory = { ...this.#memory, clusterUid: bound }
    if (bound !== uid) this.#paused = `the store is bound to the cluster ${bound}, and this is the cluster ${uid}`
  }

  /** What an answer is worth: nothing, when it is not from the cluster that the store is bound to. */
  #evidence(answer: OwnerPresence | undefined): OwnerPresence {
    if (answer === undefined) return notAsked
    if (this.#paused !== null) return { state: 'unknown', code: 'other-cluster', reason: this.#paused }
    if (answer.state === 'absent' && this.#memory.clusterUid === undefined) {
      return { state: 'unknown', code: 'no-cluster-uid', reason: 'the cluster does not say which one it is' }
    }
    return answer
  }

  #query(owner: Owner): OwnerQuery {
    const knownUids = this.#known.get(keyOf(owner))
    return knownUids === undefined ? { owner } : { owner, knownUids }
  }

  /** Objects that matched labels keep the resource even when they are relabelled; owners that nobody names are forgotten. */
  #remember(presence: ReadonlyMap<string, OwnerPresence>): void {
    for (const key of this.#known.keys()) if (!presence.has(key)) this.#known.delete(key)
    for (const [key, answer] of presence) {
      if (answer.state !== 'present' || answer.uids.length === 0) continue
      const uids = new Set([...(this.#known.get(key) ?? []), ...answer.uids])
      this.#known.set(key, [...uids].slice(-knownUidsMax))
    }
  }

  #note(resource: IndexedResource, presence: ReadonlyMap<string, OwnerPresence>, atMs: number): void {
    const found = resource.owners.map((owner) => presence.get(keyOf(owner)) ?? notAsked)
    resource.presence = found
    resource.confirmation = undefined
    if (found.some(({ state }) => state === 'present')) this.#saw(resource)
    else if (found.length > 0 && found.every(({ state }) => state === 'absent'))
      resource.firstUse.absent(atMs, this.#options.creditMsMax)
    else resource.firstUse.pause()
  }

  #saw(resource: IndexedResource): void {
    resource.seenAtMs ??= this.#options.clock.now()
    resource.firstUse.restart()
  }
}

const notAsked: OwnerPresence = { state: 'unknown', code: 'not-asked', reason: 'no sweep has asked for its owner yet' }

function keyOf(owner: Owner): string {
  return JSON.stringify(owner)
}
