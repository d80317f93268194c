/** Who may write how much: space is promised before the first byte, so that nobody meets a full disk half-way. */
import { formatBytes, SupercargoError } from '@supercargo/protocol'
import type { FileSystem } from './file-system.ts'
import type { StoreLimits } from './store.ts'
import { fromStorageError } from './store-error.ts'

/** Space that was promised to one upload or intake. */
export interface Reservation {
  /** Bytes promised and not yet turned into blobs. */
  readonly bytes: number
  /** Makes the promise cover `bytes`, a step more where there is room. Undefined when it does already. */
  cover(bytes: number): Promise<void> | undefined
  /** Promises `bytes` more. */
  add(bytes: number): Promise<void>
  /** Counts against the quota of `namespace` from now on; throws `exhausted` when that has no room. */
  bind(namespace: string): void
  /** Bytes that the file system has taken (negative: given back); they no longer count as free there. */
  landed(bytes: number): void
  /** A blob took its place: `bytes` of the promise are used, and the namespace grew by `addedBytes`. */
  spend(bytes: number, addedBytes: number): void
  /** Gives back what is left. Idempotent. */
  release(): void
}

/** Space for bytes of unknown number is promised in steps of this size. */
export const reservationStepBytes = 64 * 2 ** 20

interface Promised {
  bytes: number
  landedBytes: number
  namespace: string | undefined
}

export class SpaceLedger {
  readonly #limits: StoreLimits
  readonly #freeBytes: () => Promise<number>
  readonly #used = new Map<string, number>()
  readonly #changed = new Map<string, number>()
  readonly #changing = new Map<string, number>()
  readonly #promises = new Set<Promised>()
  #changes = 0
  /** Namespaces whose count may be wrong until a scan has settled it. */
  #estimated: 'all' | Set<string>

  /** `empty`: there is nothing yet, so the count is exact from the beginning. */
  constructor(limits: StoreLimits, freeBytes: () => Promise<number>, empty = false) {
    this.#estimated = empty ? new Set() : 'all'

    this.#limits = limits
    this.#freeBytes = freeBytes
  }

  /** Promises `bytes` at once or rejects with kind `exhausted`. */
  async reserve(bytes: number, namespace: string | undefined): Promise<Reservation> {
    const promised: Promised = { bytes: 0, landedBytes: 0, namespace }
    this.#promises.add(promised)
    try {
      if (bytes > 0) await this.#grow(promised, bytes, bytes)
    } catch (error) {
      this.#promises.delete(promised)
      throw error
    }
    return this.#reservation(promised)
  }

  /** A promise of before a restart: it was made already, so it is kept even when the limits are lower now. */
  adopt(bytes: number, landedBytes: number, namespace: string): Reservation {
    const promised: Promised = { bytes, landedBytes, namespace }
    this.#promises.add(promised)
    return this.#reservation(promised)
  }

  /** Blobs of a namespace grew or, with a negative number, shrank. */
  add(namespace: string, bytes: number): void {
    if (bytes === 0) return
    this.#set(namespace, Math.max(0, (this.#used.get(namespace) ?? 0) + bytes))
    this.#changed.set(namespace, ++this.#changes)
  }

  /** Runs work that changes the blobs of a namespace and then this count: a scan that saw only one of the two is no evidence. */
  async changing<Result>(namespace: string, work: () => Promise<Result>): Promise<Result> {
    this.#changing.set(namespace, (this.#changing.get(namespace) ?? 0) + 1)
    try {
      return await work()
    } finally {
      const left = this.#changing.get(namespace)! - 1
      if (left > 0) this.#changing.set(namespace, left)
      else this.#changing.delete(namespace)
    }
  }

  /** Where the changes stand: taken before a scan, given back with its outcome. */
  get mark(): number {
    return this.#changes
  }

  /**
   * Takes over what a scan found. A namespace that changed while the scan ran keeps its running count, since nobody knows
   * which of the changes the scan saw; while that count is not exact itself, the larger of the two. True when all counts
   * are exact now.
   */
  settle(namespaces: Readonly<Record<string, number>>, mark: number): boolean {
    const estimated = this.#estimated
    this.#estimated = new Set()
    for (const name of new Set([...this.#used.keys(), ...this.#changed.keys(), ...Object.keys(namespaces)])) {
      const scanned = Object.hasOwn(namespaces, name) ? namespaces[name]! : 0
      const running = this.#used.get(name) ?? 0
      const disturbed = this.#changing.has(name) || (this.#changed.get(name) ?? 0) > mark
      const inexact = estimated === 'all' || estimated.has(name)
      if (disturbed && inexact) this.#estimated.add(name)
      this.#set(name, !disturbed ? scanned : inexact ? Math.max(scanned, running) : running)
    }
    for (const [name, change] of this.#changed) if (change <= mark) this.#changed.delete(name)
    return this.#estimated.size === 0
  }

  get usedBytes(): number {
    return sum(this.#used.values())
  }

  get reservedBytes(): number {
    let bytes = 0
    for (const promised of this.#promises) bytes += promised.bytes
    return bytes
  }

  namespaces(): Record<string, number> {
    return Object.fromEntries(this.#used)
  }

  #set(namespace: string, bytes: number): void {
    if (bytes === 0) this.#used.delete(namespace)
    else this.#used.set(namespace, bytes)
  }

  #reservation(promised: Promised): Reservation {
    let open = true
    return {
      get bytes() {
        return promised.bytes
      },
      cover: (bytes) => {
        if (bytes <= promised.bytes) return undefined
        const needed = bytes - promised.bytes
        return this.#grow(promised, needed, Math.max(needed, reservationStepBytes))
      },
      add: (bytes) => this.#grow(promised, bytes, bytes),
      bind: (namespace) => {
        if (promised.namespace === namespace) return
        this.#checkNamespace(namespace, promised.bytes, promised)
        promised.namespace = namespace
      },
      landed: (bytes) => {
        promised.landedBytes = Math.max(0, promised.landedBytes + bytes)
      },
      spend: (bytes, addedBytes) => {
        if (open) promised.bytes = Math.max(0, promised.bytes - bytes)
        promised.landedBytes = Math.max(0, promised.landedBytes - bytes)
        if (promised.namespace !== undefined) this.add(promised.namespace, addedBytes)
      },
      release: () => {
        open = false
        this.#promises.delete(promised)
      },
    }
  }

  /** Adds at least `needed` and at most `wanted` bytes. Nothing is awaited between the checks and the promise. */
  async #grow(promised: Promised, needed: number, wanted: number): Promise<void> {
    const freeBytes = await this.#freeBytes()
    const store = this.#storeRoom()
    if (needed > store) {
      throw exhausted(
        'store-full',
        'the store is full',
        needed,
        store,
        'release resources, or raise limits.storeBytesMax',
      )
    }
    const namespace =
      promised.namespace === undefined ? Number.POSITIVE_INFINITY : this.#checkNamespace(promised.namespace, needed)
    const disk = Math.max(0, freeBytes - this.#limits.freeBytesMin - this.#outstandingBytes())
    if (needed > disk) {
      throw exhausted(
        'disk-full',
        'the disk of the store is full',
        needed,
        disk,
        'release resources, or use a larger volume',
      )
    }
    promised.bytes += Math.min(wanted, store, namespace, disk)
  }

  #storeRoom(): number {
    if (this.#limits.storeBytesMax === 0) return Number.POSITIVE_INFINITY
    return Math.max(0, this.#limits.storeBytesMax - this.usedBytes - this.reservedBytes)
  }

  /** The room in the namespace, which is at least `needed`, or the error. `except` is not counted. */
  #checkNamespace(namespace: string, needed: number, except?: Promised): number {
    if (this.#limits.namespaceBytesMax === 0) return Number.POSITIVE_INFINITY
    let taken = this.#used.get(namespace) ?? 0
    for (const promised of this.#promises)
      if (promised.namespace === namespace && promised !== except) taken += promised.bytes
    const room = Math.max(0, this.#limits.namespaceBytesMax - taken)
    if (needed <= room) return room
    throw exhausted(
      'namespace-quota',
      `the quota of namespace ${namespace} is used up`,
      needed,
      room,
      'release resources of the namespace, or raise limits.namespaceBytesMax',
    )
  }

  /** Promised bytes that are still to come: the file system counts them as free. */
  #outstandingBytes(): number {
    let bytes = 0
    for (const promised of this.#promises) bytes += Math.max(0, promised.bytes - promised.landedBytes)
    return bytes
  }
}

/** What a file system still takes from this process. */
export async function freeBytes(system: FileSystem, directory: string): Promise<number> {
  try {
    return await system.freeBytes(directory)
  } catch (error) {
    throw fromStorageError(error, `cannot ask for the free space of ${directory}`)
  }
}

function exhausted(code: string, what: string, needed: number, available: number, hint: string): SupercargoError {
  return new SupercargoError(
    'exhausted',
    code,
    `${what}: ${formatBytes(needed)} needed, ${formatBytes(available)} available`,
    {
      hint,
      context: { neededBytes: needed, availableBytes: available },
    },
  )
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}
