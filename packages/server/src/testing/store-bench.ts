/** A store on the bench: opened by a backend's harness, reopened, killed, and checked for what it left behind. */
import { type ErrorKind, SupercargoError } from '@supercargo/protocol'
import { ManualClock } from '@supercargo/transfer'
import { expect } from 'vitest'
import type { ResourceRecord, Store, StoreLimits } from '../store/store.ts'
import { noLimits } from './staging.ts'

export interface StoreSetting {
  readonly limits: StoreLimits
  readonly clock: ManualClock
  readonly isolatedNamespaces: readonly string[]
}

/** What a backend lends to the contract. */
export interface StoreHarness {
  /** What a writer may take before it waits for the store. */
  readonly aheadBytesMax: number
  /** Opens the store; again after `store.close()`, or after `crash()`. */
  open(setting: StoreSetting): Promise<Store>
  /** Ends the store as SIGKILL does: nothing more reaches the disk, nothing is tidied up. */
  crash(store: Store): Promise<void>
  /** Damages the stored bytes of a file. */
  damage(record: ResourceRecord, path: string, how: 'delete' | 'truncate'): Promise<void>
  /** Damages the record. */
  damageRecord(id: string): Promise<void>
  /** Everything that is left when the store is closed and swept, and that no record accounts for: files, descriptors. */
  leftovers(store: Store): Promise<string[]>
  remove(): Promise<void>
}

export class StoreBench {
  readonly clock = new ManualClock()
  readonly #makeHarness: () => Promise<StoreHarness>
  #harness: StoreHarness | undefined
  #store: Store | undefined

  constructor(makeHarness: () => Promise<StoreHarness>) {
    this.#makeHarness = makeHarness
  }

  get harness(): StoreHarness {
    return this.#harness!
  }

  get store(): Store {
    return this.#store!
  }

  async open(limits: Partial<StoreLimits> = {}, isolatedNamespaces: readonly string[] = []): Promise<void> {
    this.#harness = await this.#makeHarness()
    this.#store = await this.harness.open({ limits: { ...noLimits, ...limits }, clock: this.clock, isolatedNamespaces })
  }

  async reopen(how: 'close' | 'crash', limits: Partial<StoreLimits> = {}): Promise<void> {
    if (how === 'close') await this.store.close()
    else await this.harness.crash(this.store)
    this.#store = await this.harness.open({
      limits: { ...noLimits, ...limits },
      clock: this.clock,
      isolatedNamespaces: [],
    })
  }

  /** Every test ends with nothing open, nothing promised, and nothing left that no record accounts for. */
  async clear(): Promise<void> {
    const { openUploads, reservedBytes } = this.store.usage()
    const leftovers = await this.harness.leftovers(this.store)
    await this.store.close()
    await this.harness.remove()
    expect({ openUploads, reservedBytes, leftovers }).toEqual({ openUploads: 0, reservedBytes: 0, leftovers: [] })
  }
}

export async function expectKind(promise: Promise<unknown>, kind: ErrorKind, code?: string): Promise<SupercargoError> {
  const error = await promise.then(
    () => undefined,
    (failure: unknown) => failure,
  )
  if (!SupercargoError.is(error))
    throw error instanceof Error ? error : new Error(`it should have failed with ${kind} ${code ?? ''}`)
  expect({ kind: error.kind, code: error.code }).toEqual({ kind, code: code ?? error.code })
  return error
}
