/** Names that exist and may not survive a power cut yet: which they are, how they are made durable, what goes when that fails. */
import { isErrno } from '@supercargo/transfer'
import { type FileSystem, syncDirectory } from './file-system.ts'

/**
 * A rename or mkdir is durable once its directory is synced. That is put off until somebody relies on the name, so that a
 * directory is synced once for a thousand blobs. After a failed sync a second one may succeed without having written
 * anything; so the names in doubt are taken back, and whoever needs them sees that they are gone.
 */
export class UnsyncedNames {
  readonly #system: FileSystem
  readonly #names = new Map<string, Set<string>>()
  readonly #syncing = new Map<string, Promise<void>>()
  readonly #distrusted = new Set<string>()
  #losses = 0

  constructor(system: FileSystem) {
    this.#system = system
  }

  /** A file of this path was just put into `directory`. */
  addFile(directory: string, path: string): void {
    this.#distrusted.delete(path)
    this.#in(directory).add(path)
  }

  /** A directory was just made in `directory`; what comes into it is in doubt as long as it is itself. */
  addDirectory(directory: string, path: string): void {
    this.#in(directory).add(path)
    this.#in(path)
  }

  /** The file was deleted. */
  forget(directory: string, path: string): void {
    this.#names.get(directory)?.delete(path)
    this.#distrusted.delete(path)
  }

  /** How often names were taken back: when it changed, what was looked up before has to be looked up again. */
  get losses(): number {
    return this.#losses
  }

  /** True for a name that was in doubt and could not be deleted: it counts as absent. */
  distrusts(path: string): boolean {
    return this.#distrusted.has(path)
  }

  /** Makes all names in the directory durable, those included that somebody else is syncing just now. */
  async sync(directory: string): Promise<void> {
    await this.#syncing.get(directory)
    const names = this.#names.get(directory)
    if (names === undefined) return this.#syncing.get(directory)
    this.#names.delete(directory)
    const syncing = this.#sync(directory, names)
    this.#syncing.set(directory, syncing)
    try {
      await syncing
    } finally {
      if (this.#syncing.get(directory) === syncing) this.#syncing.delete(directory)
    }
  }

  async #sync(directory: string, names: Set<string>): Promise<void> {
    try {
      await syncDirectory(this.#system, directory)
    } catch (error) {
      this.#losses++
      for (const path of names) await this.#takeBack(directory, path)
      throw error
    }
  }

  /** A new directory was never synced before its parent, so all that is in it is still in doubt, too. */
  async #takeBack(directory: string, path: string): Promise<void> {
    const children = this.#names.get(path)
    try {
      if (children === undefined) return await this.#system.unlink(path)
      this.#names.delete(path)
      for (const child of children) await this.#takeBack(path, child)
      await this.#system.removeDirectory(path)
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return
      if (children === undefined) this.#distrusted.add(path)
      else this.addDirectory(directory, path)
    } finally {
      this.#losses++
    }
  }

  #in(directory: string): Set<string> {
    let names = this.#names.get(directory)
    if (names === undefined) {
      names = new Set()
      this.#names.set(directory, names)
    }
    return names
  }
}
