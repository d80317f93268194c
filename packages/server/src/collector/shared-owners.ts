/** Equal lists of owners are one list in memory: many resources belong to one owner, and a list is a third of what a resource takes. */
import type { Owner } from '@supercargo/protocol'

export class SharedOwners {
  readonly #lists = new Map<string, { readonly owners: readonly Owner[]; users: number }>()

  /** The list that stands for all equal ones; to be given back when its user goes. */
  take(owners: readonly Owner[]): readonly Owner[] {
    const key = JSON.stringify(owners)
    let list = this.#lists.get(key)
    if (list === undefined) {
      list = { owners, users: 0 }
      this.#lists.set(key, list)
    }
    list.users++
    return list.owners
  }

  giveBack(owners: readonly Owner[]): void {
    const key = JSON.stringify(owners)
    const list = this.#lists.get(key)
    if (list !== undefined && --list.users === 0) this.#lists.delete(key)
  }

  /** How many different lists somebody uses. */
  get size(): number {
    return this.#lists.size
  }
}
