/** How many bytes a tree of names holds, and how many more may come: counted once, kept up to date, counted again before a no. */
import { formatBytes, SupercargoError } from '@supercargo/protocol'
import type { NamePlace, NameTree } from '../store/name-tree.ts'

/** The room that one upload takes in its tree. */
export interface TreeShare {
  /** Takes room for `bytes` more. Undefined when there is room; a promise when it has to look; rejects with kind `exhausted`. */
  take(bytes: number): Promise<void> | undefined
  /** The upload has its name now: what it took counts as stored, what it replaced does not any more. */
  settle(replacedBytes: number): void
  /** Gives back what was taken. Idempotent; nothing after `settle`. */
  release(): void
}

export interface TreeQuotas {
  /** Begins an upload; rejects with kind `exhausted` when there is no room at all. `bytesMax` 0 is no limit. */
  enter(tree: NamePlace, bytesMax: number): Promise<TreeShare>
  /** Files were removed: the next question counts anew. */
  forget(tree: NamePlace): void
  /** Bytes stored now, counted. */
  count(tree: NamePlace): Promise<number>
}

interface Account {
  /** Undefined: to be counted. */
  storedBytes: number | undefined
  comingBytes: number
  counting: Promise<number> | undefined
  /** What was settled while a count ran that may not have seen it: counted twice rather than never. */
  settledMeanwhile: number
}

const noShare: TreeShare = { take: () => undefined, settle: () => undefined, release: () => undefined }
/** Accounts that are remembered without an upload under way. */
const accountsMax = 1000

export function createTreeQuotas(options: {
  readonly names: NameTree
  /** A name may lead to a resource that was collected; its bytes are nobody's. */
  readonly isThere: (resourceId: string) => Promise<boolean>
}): TreeQuotas {
  const accounts = new Map<string, Account>()

  function accountOf(tree: NamePlace): Account {
    const key = `${tree.namespace}/${tree.tree}`
    let account = accounts.get(key)
    if (account === undefined) {
      if (accounts.size >= accountsMax)
        for (const [old, { comingBytes }] of accounts) if (comingBytes === 0) accounts.delete(old)
      account = { storedBytes: undefined, comingBytes: 0, counting: undefined, settledMeanwhile: 0 }
      accounts.set(key, account)
    }
    return account
  }

  async function count(tree: NamePlace): Promise<number> {
    let bytes = 0
    for await (const { entry } of options.names.below({ ...tree, path: '' }))
      if (entry.type === 'file' && (await options.isThere(entry.resourceId))) bytes += entry.sizeBytes
    return bytes
  }

  /** One count at a time for a tree; who comes while it runs shares it. */
  function recount(tree: NamePlace, account: Account): Promise<number> {
    account.counting ??= count(tree)
      .then((bytes) => {
        account.storedBytes = bytes + account.settledMeanwhile
        return account.storedBytes
      })
      .finally(() => {
        account.counting = undefined
        account.settledMeanwhile = 0
      })
    return account.counting
  }

  return {
    async enter(tree, bytesMax) {
      if (bytesMax === 0) return noShare
      const account = accountOf(tree)
      let taken = 0
      let open = true
      const fits = (bytes: number): boolean =>
        account.storedBytes !== undefined && account.storedBytes + account.comingBytes + bytes <= bytesMax
      const look = async (bytes: number): Promise<void> => {
        const stored = await recount(tree, account)
        if (fits(bytes)) return
        const left = Math.max(0, bytesMax - stored - account.comingBytes)
        throw new SupercargoError(
          'exhausted',
          'token-quota',
          `the quota of the token, ${formatBytes(bytesMax)}, is used up: ${formatBytes(left)} are left`,
          { hint: 'remove files below its path, or ask for a token with a larger quota' },
        )
      }
      if (!fits(1)) await look(1)
      const add = (bytes: number): void => {
        if (!open) return
        taken += bytes
        account.comingBytes += bytes
      }
      return {
        take(bytes) {
          if (!fits(bytes)) return look(bytes).then(() => add(bytes))
          add(bytes)
          return undefined
        },
        settle(replacedBytes) {
          if (!open) return
          open = false
          account.comingBytes -= taken
          if (account.storedBytes !== undefined) account.storedBytes += taken - replacedBytes
          if (account.counting !== undefined) account.settledMeanwhile += taken - replacedBytes
        },
        release() {
          if (open) account.comingBytes -= taken
          open = false
        },
      }
    },
    forget(tree) {
      accountOf(tree).storedBytes = undefined
    },
    count,
  }
}
