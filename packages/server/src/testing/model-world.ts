/** A world for the model check: a cluster that is a list of objects, a store that is a map, and an oracle that knows the truth. */
import { mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ClusterMemory, OwnerLookup, OwnerPresence, OwnerQuery, SweepAnswer } from '@supercargo/kube'
import type { Owner } from '@supercargo/protocol'
import { ManualClock } from '@supercargo/transfer'
import { type CollectorSettings, Sweeper } from '../collector/sweeper.ts'
import { diskSurvey } from '../store/disk-survey.ts'
import type { RemoteMaintenance } from '../store/maintenance.ts'
import { touchIntervalMs } from '../store/resource-records.ts'
import type { ResourceRecord } from '../store/store.ts'
import { StoreEvents } from '../store/store-events.ts'
import { memoryDirectory } from './disk-harness.ts'

export interface WorldObject {
  readonly name: string
  readonly uid: string
  label: string
}

/** What goes wrong while a sweep runs. */
export type WorldFault = 'none' | 'lists-lost' | 'confirmations-lost' | 'odd-owners-lost' | 'other-cluster' | 'older'

export const worldSettings: CollectorSettings = {
  intervalMs: 60_000,
  firstUseTimeoutMs: 180_000,
  absentGraceMs: 120_000,
  condemnedMs: 120_000,
  breakerCount: 4,
  breakerFraction: 0.1,
  policies: [],
  dryRun: false,
}

const unknown: OwnerPresence = { state: 'unknown', code: 'kube-deadline', reason: 'no answer' }

export class ModelWorld {
  readonly clock = new ManualClock()
  readonly objects = new Map<string, WorldObject>()
  readonly records = new Map<string, ResourceRecord>()
  /** What the laws forbid and what happened all the same. */
  readonly violations: string[] = []
  /** Runs between the lists and the confirmations of the next sweep. */
  meanwhile: () => void = () => undefined
  fault: WorldFault = 'none'
  readonly #directory = mkdtempSync(join(memoryDirectory, 'supercargo-model-'))
  /** Objects that matched an owner's labels in a sweep that saw them. */
  readonly #matched = new Map<string, Set<string>>()
  readonly #fetchedAtMs = new Map<string, number>()
  readonly #notedAtMs = new Map<string, number>()
  readonly #events = new StoreEvents((event) => {
    this.#applied = this.#applied.then(() => this.sweeper.apply([event]))
  })
  #applied: Promise<unknown> = Promise.resolve()
  #state: Uint8Array | undefined
  #clusterUid: string | null = null
  #counter = 0
  sweeper!: Sweeper

  constructor() {
    for (const name of ['blobs', 'resources', 'incoming']) mkdirSync(join(this.#directory, name))
  }

  async start(): Promise<void> {
    const { clock } = this
    this.sweeper = new Sweeper({
      ...worldSettings,
      ...{ stored: diskSurvey(this.#directory), lookup: this.#lookup(), maintenance: this.#maintenance(), clock },
      ...{ hasCluster: true, log: () => undefined },
    })
    await this.sweeper.index.build(this.#events.sequence, [])
    await this.sweeper.begin()
  }

  async restart(): Promise<void> {
    await this.sweeper.stop()
    await this.#applied
    await this.start()
  }

  loseState(): void {
    this.#state = undefined
  }

  /** The operator lets go on whatever has stopped, and with a lost memory takes it upon himself which labels were seen. */
  async release(): Promise<void> {
    const { pause } = this.sweeper.memory
    if (pause === null) return
    if (pause.code === 'state-lost') this.#matched.clear()
    await this.sweeper.release()
  }

  create(name: string, label: string): void {
    if (!this.objects.has(name)) this.objects.set(name, { name, label, uid: `uid-${++this.#counter}` })
  }

  stage(owners: readonly Owner[]): void {
    const id = `${++this.#counter}`.padStart(26, '0')
    const atMs = this.clock.now()
    const secretHash = `sha256:${'0'.repeat(64)}`
    const instants = { createdAtMs: Math.max(0, atMs), committedAtMs: Math.max(0, atMs) }
    const record: ResourceRecord = {
      version: 1,
      id,
      secretHash,
      owners,
      files: [],
      door: 'v1',
      ...instants,
      capabilities: [],
    }
    writeFileSync(this.#file(id), JSON.stringify(record))
    this.records.set(id, record)
    this.#events.emit({ type: 'committed', id, record })
  }

  /** As the store notes it: not more than once in a while. */
  fetch(id: string): void {
    const atMs = this.clock.monotonic()
    this.#fetchedAtMs.set(id, atMs)
    if (atMs - (this.#notedAtMs.get(id) ?? Number.NEGATIVE_INFINITY) < touchIntervalMs) return
    this.#notedAtMs.set(id, atMs)
    this.#events.emit({ type: 'touched', id, atMs: this.clock.now() })
  }

  async sweep(): Promise<void> {
    await this.#applied
    await this.sweeper.sweepNow()
    await this.#applied
  }

  /** The truth: an object is there that is an owner, or that was one when a sweep looked. */
  isOwned(record: ResourceRecord): boolean {
    return record.owners.some((owner) => this.#ownersOf(owner).length > 0)
  }

  async end(): Promise<void> {
    await this.sweeper.stop()
    await this.#applied
    rmSync(this.#directory, { recursive: true })
  }

  #file(id: string): string {
    return join(this.#directory, 'resources', `${id}.json`)
  }

  #ownersOf(owner: Owner): WorldObject[] {
    const matched = this.#matched.get(JSON.stringify(owner))
    return [...this.objects.values()].filter((object) => matches(owner, object) || matched?.has(object.uid))
  }

  #delete(id: string): void {
    const record = this.records.get(id)!
    if (this.isOwned(record)) this.violations.push(`${id} was deleted, and its owner lives`)
    const sinceFetchMs = this.clock.monotonic() - (this.#fetchedAtMs.get(id) ?? Number.NEGATIVE_INFINITY)
    if (sinceFetchMs < worldSettings.condemnedMs)
      this.violations.push(`${id} was deleted ${sinceFetchMs} ms after a fetch`)
    this.records.delete(id)
    unlinkSync(this.#file(id))
    this.#events.emit({ type: 'released', id })
  }

  #lookup(): OwnerLookup {
    const answer = ({ owner, knownUids = [] }: OwnerQuery): OwnerPresence => {
      const found = [...this.objects.values()].filter(
        (object) => matches(owner, object) || (owner.uid === undefined && knownUids.includes(object.uid)),
      )
      if (found.length === 0) return { state: 'absent', evidence: 'a complete list' }
      return { state: 'present', uids: found.map(({ uid }) => uid), evidence: 'listed' }
    }
    const uid = () => (this.fault === 'other-cluster' ? 'elsewhere' : 'here')
    return {
      clusterUid: async () => uid(),
      sweep: async (queries, memory: ClusterMemory): Promise<SweepAnswer> => {
        const { fault } = this
        const lost = (position: number) =>
          fault === 'lists-lost' || fault === 'older' || (fault === 'odd-owners-lost' && position % 2 === 1)
        const owners = queries.map((query, position) => {
          if (fault === 'other-cluster') return { state: 'absent' as const, evidence: 'a complete list' }
          const says = lost(position) ? unknown : answer(query)
          if (says.state === 'present' && query.owner.labels !== undefined) {
            const key = JSON.stringify(query.owner)
            this.#matched.set(key, new Set([...(this.#matched.get(key) ?? []), ...says.uids]))
          }
          return says
        })
        this.meanwhile()
        const older = { apiVersion: 'v1', kind: 'Pod', namespace: 'n', objects: 0, requests: 1 }
        const scopes = fault === 'older' ? [{ ...older, complete: false, code: 'kube-list-older' }] : []
        return { clusterUid: uid(), versions: memory.versions, owners, scopes }
      },
      confirm: async (query) => {
        if (this.fault === 'other-cluster') return { state: 'absent', evidence: 'a complete list' }
        return this.fault === 'confirmations-lost' ? unknown : answer(query)
      },
    }
  }

  #maintenance(): RemoteMaintenance {
    const events = this.#events
    return {
      sequence: async () => events.sequence,
      acknowledge: async (sequence) => events.acknowledge(sequence),
      removeBlobs: async () => ({ removed: 0, freedBytes: 0 }),
      collect: async (id, indexSequence) => {
        if (events.changedAfter(indexSequence, id) || !this.records.has(id)) return false
        this.#delete(id)
        return true
      },
      removeObjects: async () => 0,
      uploads: async () => [],
      sweepAbandoned: async () => 0,
      sweepLeftovers: async () => 0,
      usageMark: async () => 0,
      setUsage: async () => true,
      bindCluster: async (uid) => {
        this.#clusterUid ??= uid
        return this.#clusterUid
      },
      beginEpoch: async () => undefined,
      loadState: async () => {
        const text = this.#state === undefined ? undefined : Buffer.from(this.#state).toString()
        return { clusterUid: this.#clusterUid, text, epoch: 0 }
      },
      saveState: async (state) => {
        this.#state = state
      },
      checkpoint: async () => undefined,
    }
  }
}

function matches(owner: Owner, object: WorldObject): boolean {
  if (owner.uid !== undefined) return owner.uid === object.uid
  if (owner.name !== undefined) return owner.name === object.name
  return owner.labels?.app === object.label
}
