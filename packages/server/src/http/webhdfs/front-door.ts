/** What the WebHDFS door has at hand beside the edge: names, tokens, quotas, and who is known to read. */
import type { NameTree } from '../../store/name-tree.ts'
import type { StagingTokens } from '../../tokens/staging-tokens.ts'
import { createTreeQuotas, type TreeQuotas } from '../../tokens/tree-quota.ts'
import type { Edge } from '../edge.ts'
import { createReaders, type FindReader, type Readers } from './readers.ts'

/** What the server gives to the door. Without names (a store that has none) there is no door. */
export interface FrontDoorParts {
  readonly names: NameTree
  readonly tokens: StagingTokens
  /** Paths without a token are taken. */
  readonly anonymous: boolean
  /** How long a file is kept unread when nobody is known to use it. */
  readonly maxAgeMs: number
  /** The owner to which the pod with this address belongs; undefined when there is none. Absent without a cluster. */
  readonly findReader: FindReader | undefined
}

export interface FrontDoor extends FrontDoorParts {
  readonly quotas: TreeQuotas
  readonly readers: Readers
}

export function openFrontDoor({ store, log, clock }: Edge, parts: FrontDoorParts): FrontDoor {
  const isThere = async (id: string): Promise<boolean> => (await store.read(id)) !== undefined
  return {
    ...parts,
    quotas: createTreeQuotas({ names: parts.names, isThere }),
    readers: createReaders({ store, find: parts.findReader, log, clock }),
  }
}
