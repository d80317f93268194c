/** What is wrong with a store, as those who check or copy it name it. */

/** Harm: something cannot be fetched as it was staged. */
export const faultCodes = [
  'damaged-record',
  'missing-blob',
  'wrong-size',
  'corrupt-blob',
  'unreadable-blob',
  'damaged-name',
  'damaged-tokens',
] as const

/** Disorder: takes room or leads nowhere, and goes by itself while a server runs. */
export const leftoverCodes = ['orphan-blob', 'leftover', 'stale-name', 'foreign-file'] as const

export interface StoreFault {
  readonly code: (typeof faultCodes)[number]
  /** Where: a path below the store's directory, or the id of a resource. */
  readonly at: string
  readonly detail: string
  /** The resources that cannot be fetched whole because of it. */
  readonly resourceIds: readonly string[]
  /** Where a repair has put it, below the store's directory. */
  readonly quarantine?: string
}

export interface StoreLeftover {
  readonly code: (typeof leftoverCodes)[number]
  readonly at: string
}
