/** Asks the cluster for the owners of all resources and notes at each what it said: the evidence that the policy judges by. */
import type { OwnerLookup, OwnerPresence, OwnerQuery, ScopeAnswer } from '@supercargo/kube'
import type { Owner } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import type { CollectorMemory } from './collector-memory.ts'
import type { IndexedResource, ResourceIndex } from './resource-index.ts'
import type { Retention } from './retention.ts'

export interface OwnerSurveyOptions {
  readonly lookup: OwnerLookup
  readonly memory: CollectorMemory
  readonly retention: Retention
  readonly clock: Clock
  /** Binds the store to the cluster of this uid, unless it is bound already; resolves to the one that it is bound to. */
  readonly bindCluster: (uid: string) => Promise<string>
  /** Elapsed time between two looks that counts at most. */
  readonly creditMsMax: number
}

/** What a look brought, for metrics and for whoever asks. */
export interface Survey {
  /** Nothing stood between the cluster and an answer; what single owners lack is in `unknown`. */
  readonly complete: boolean
  /** Owners that nobody can say anything about, by the code of the reason. */
  readonly unknown: Readonly<Record<string, number>>
  /** Condemned resources whose owner came back. */
  readonly revived: number
  readonly requests: number
}

/** Reasons that lie in one owner or in one right, and say nothing about the cluster. */
const ownOfAnOwner = new Set([
  'kube-type-not-found',
  'kube-kind-cluster-scoped',
  'kube-kind-refused',
  'kube-kind-not-listable',
  'kube-forbidden',
])
/** Looks in a row that find older versions than before: a replica that lags catches up, a restored backup does not. */
const olderLooksMax = 3

export class OwnerSurvey {
  readonly #options: OwnerSurveyOptions
  #otherCluster: string | null = null
  #olderLooks = 0
  #lookedAtMs: number | undefined
  #confirmed = new Map<string, Promise<OwnerPresence>>()

  constructor(options: OwnerSurveyOptions) {
    this.#options = options
  }

  /** Why absence is no evidence at the moment, or null: the store is bound to another cluster than the one that answers. */
  get otherCluster(): string | null {
    return this.#otherCluster
  }

  /** Asks for all owners at once, each of them once, and notes the answers at the resources. */
  async look(index: ResourceIndex, signal: AbortSignal): Promise<Survey> {
    const { lookup, clock, memory, creditMsMax } = this.#options
    this.#confirmed = new Map()
    const questions = new Map<string, OwnerQuery>()
    const owners = new Map<string, Owner>()
    for (const resource of index.values()) {
      for (const owner of resource.owners) {
        const [key, query] = this.#question(resource, owner)
        questions.set(key, query)
        owners.set(keyOf(owner), owner)
      }
    }
    // A damaged record may name them, and may be restored.
    if (index.damaged.size === 0) memory.forgetOthers(owners)
    const answer = await lookup.sweep([...questions.values()], memory.cluster, signal)
    await this.#recognise(answer.clusterUid, signal)
    if (this.#otherCluster === null) memory.sawVersions(answer.versions)
    this.#watchVersions(answer.scopes)
    const presence = new Map(
      [...questions.keys()].map((key, position) => [key, this.#evidence(answer.owners[position])]),
    )
    const atMs = clock.monotonic()
    memory.elapsedMs += this.#lookedAtMs === undefined ? 0 : Math.min(atMs - this.#lookedAtMs, creditMsMax)
    this.#lookedAtMs = atMs
    let revived = 0
    for (const resource of index.values()) if (this.#note(resource, presence, atMs)) revived++
    const unknown = countUnknown(presence.values())
    const complete = answer.clusterUid !== undefined && Object.keys(unknown).every((code) => ownOfAnOwner.has(code))
    const requests = answer.scopes.reduce((sum, scope) => sum + scope.requests, 0)
    return { complete: complete && this.#otherCluster === null, unknown, revived, requests }
  }

  /** Asks about the owners of one resource anew, by requests of their own; stops at the first that is not absent. */
  async confirm(resource: IndexedResource, signal: AbortSignal): Promise<OwnerPresence[]> {
    const answers: OwnerPresence[] = []
    for (const owner of resource.owners) {
      const answer = await this.#confirmOwner(resource, owner, signal)
      answers.push(answer)
      if (answer.state !== 'absent') break
    }
    if (answers.some(({ state }) => state === 'present')) {
      this.#saw(resource)
      resource.presence = answers
    }
    return answers
  }

  /** Resources of one owner share its confirmation within a sweep. */
  async #confirmOwner(resource: IndexedResource, owner: Owner, signal: AbortSignal): Promise<OwnerPresence> {
    const { lookup, memory } = this.#options
    const [key, query] = this.#question(resource, owner)
    const asked = this.#confirmed.get(key) ?? lookup.confirm(query, memory.cluster, signal)
    this.#confirmed.set(key, asked)
    const answer = this.#evidence(await asked)
    if (answer.state === 'present') memory.remember(keyOf(owner), owner, answer.uids)
    return answer
  }

  /** Absence in another cluster is no absence: the store is bound to the first one that it meets. */
  async #recognise(answered: string | undefined, signal: AbortSignal): Promise<void> {
    this.#otherCluster = null
    const { lookup, memory, bindCluster } = this.#options
    const uid = answered ?? (await lookup.clusterUid(signal))
    if (uid === undefined) return
    const bound = await bindCluster(uid)
    memory.bindCluster(bound)
    if (bound !== uid) this.#otherCluster = `the store is bound to the cluster ${bound}, and this is the cluster ${uid}`
  }

  #watchVersions(scopes: readonly ScopeAnswer[]): void {
    const older = scopes.find(({ code }) => code === 'kube-list-older')
    if (older !== undefined) this.#olderLooks++
    else if (scopes.some(({ complete }) => complete)) this.#olderLooks = 0
    if (this.#olderLooks < olderLooksMax) return
    this.#olderLooks = 0
    const { memory, clock } = this.#options
    if (memory.pause === null)
      memory.stop('versions-went-back', `the versions of the cluster went back: ${older?.reason}`, clock.now())
  }

  /** What an answer is worth: nothing, when it is not from the cluster that the store is bound to. */
  #evidence(answer: OwnerPresence | undefined): OwnerPresence {
    if (answer === undefined) return notAsked
    if (this.#otherCluster !== null) return { state: 'unknown', code: 'other-cluster', reason: this.#otherCluster }
    if (answer.state === 'absent' && this.#options.memory.cluster.clusterUid === undefined) {
      return { state: 'unknown', code: 'no-cluster-uid', reason: 'the cluster does not say which one it is' }
    }
    return answer
  }

  #question(resource: IndexedResource, owner: Owner): [string, OwnerQuery] {
    const key = keyOf(owner)
    const knownUids = this.#options.memory.knownUids(key)
    const query: OwnerQuery = knownUids === undefined ? { owner } : { owner, knownUids }
    if (this.#options.retention(resource)?.releaseAfter !== 'completion') return [key, query]
    return [`completed ${key}`, { ...query, keptUntil: 'completed' }]
  }

  /** True when its owner came back after it was condemned. */
  #note(resource: IndexedResource, presence: ReadonlyMap<string, OwnerPresence>, atMs: number): boolean {
    const { memory, creditMsMax } = this.#options
    const found = resource.owners.map((owner) => presence.get(this.#question(resource, owner)[0]) ?? notAsked)
    resource.presence = found
    resource.confirmation = undefined
    for (const [position, answer] of found.entries()) {
      const owner = resource.owners[position]!
      if (answer.state === 'present') memory.remember(keyOf(owner), owner, answer.uids)
    }
    const present = found.some(({ state }) => state === 'present')
    if (present && resource.spent === undefined) return this.#saw(resource)
    if (present) this.#noteSeen(resource)
    // A policy of an operator needs no evidence, only time.
    if (resource.spent !== undefined) resource.clock.covered(atMs, creditMsMax)
    else if (found.length > 0 && found.every(({ state }) => state === 'absent'))
      resource.clock.covered(atMs, creditMsMax)
    else resource.clock.pause()
    return false
  }

  #saw(resource: IndexedResource): boolean {
    const revived = resource.condemned !== null
    if (revived) this.#options.memory.changed = true
    this.#noteSeen(resource)
    resource.condemned = null
    resource.clock.restart()
    return revived
  }

  #noteSeen(resource: IndexedResource): void {
    if (resource.seenAtMs !== null) return
    resource.seenAtMs = this.#options.clock.now()
    this.#options.memory.changed = true
  }
}

const notAsked: OwnerPresence = { state: 'unknown', code: 'not-asked', reason: 'no sweep has asked for its owner yet' }

function countUnknown(answers: Iterable<OwnerPresence>): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const answer of answers) {
    if (answer.state === 'unknown') counts[answer.code] = (counts[answer.code] ?? 0) + 1
  }
  return counts
}

function keyOf(owner: Owner): string {
  return JSON.stringify(owner)
}
