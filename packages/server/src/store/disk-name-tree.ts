/** The tree of names on disk: directories are directories, a file's name is a small file that says which resource it means. */
import { isDeepStrictEqual } from 'node:util'
import { pathFault, printable, SupercargoError } from '@supercargo/protocol'
import { type Clock, isErrno } from '@supercargo/transfer'
import { checkedNamespace, type DiskLayout } from './disk-layout.ts'
import { type FileSystem, syncDirectory, writeFileDurably } from './file-system.ts'
import { KeyedMutex } from './keyed-mutex.ts'
import { entryAt, makeDirectoryDurably, namesIn, nameText, treePattern, walk, walkTrees } from './name-files.ts'
import type { ListedName, NamedFile, NameEntry, NamePlace, NameTree } from './name-tree.ts'
import { isDirectory, nameTaken, noSuchDirectory, notDirectory, notEmpty } from './name-tree-error.ts'
import { fromStorageError } from './store-error.ts'
import { newResourceId } from './store-parts.ts'

export interface DiskNameTreeOptions {
  readonly system: FileSystem
  readonly layout: DiskLayout
  readonly clock: Clock
}

/** A name on its way to its place. No namespace begins with a dot. */
const scratchPrefix = '.name-'

/** Opens the trees of a store that is locked by this process already. What a crash left half written is deleted. */
export async function openDiskNameTree(options: DiskNameTreeOptions): Promise<NameTree> {
  const { system, layout } = options
  try {
    await makeDirectoryDurably(system, layout.directory, layout.names)
    for (const name of await system.list(layout.names))
      if (name.startsWith(scratchPrefix)) await system.unlink(`${layout.names}/${name}`)
  } catch (error) {
    throw fromStorageError(error, `cannot open the names of the store ${layout.directory}`)
  }
  return new DiskNameTree(options)
}

class DiskNameTree implements NameTree {
  readonly #system: FileSystem
  readonly #layout: DiskLayout
  readonly #clock: Clock
  readonly #changes = new KeyedMutex()

  constructor({ system, layout, clock }: DiskNameTreeOptions) {
    this.#system = system
    this.#layout = layout
    this.#clock = clock
  }

  look(place: NamePlace): Promise<NameEntry | undefined> {
    return this.#translated('cannot look at a name', async () => {
      const entry = await entryAt(this.#system, this.#pathOf(place))
      return entry ?? (place.path === '' ? { type: 'directory', modifiedMs: 0 } : undefined)
    })
  }

  list(place: NamePlace): Promise<readonly ListedName[] | undefined> {
    return this.#translated('cannot list names', async () => {
      const directory = this.#pathOf(place)
      const names = await namesIn(this.#system, directory)
      if (names === undefined) return place.path === '' ? [] : undefined
      const listed: ListedName[] = []
      for (const name of names.sort()) {
        const entry = await entryAt(this.#system, `${directory}/${name}`)
        if (entry !== undefined) listed.push({ name, entry })
      }
      return listed
    })
  }

  makeDirectory(place: NamePlace): Promise<void> {
    return this.#change(place, 'cannot make a directory', () => this.#makeDirectories(place))
  }

  put(
    place: NamePlace,
    file: NamedFile,
    { overwrite, makeParents }: { readonly overwrite: boolean; readonly makeParents: boolean },
  ): Promise<NamedFile | undefined> {
    return this.#change(place, 'cannot name a file', async () => {
      const path = this.#pathOf(place)
      if (place.path === '') throw isDirectory(place)
      const before = await entryAt(this.#system, path)
      if (before?.type === 'directory') throw isDirectory(place)
      if (before !== undefined && !overwrite) throw nameTaken(place)
      const parent = parentOf(place)
      if (makeParents || parent.path === '') await this.#makeDirectories(parent, true)
      else await this.#expectDirectory(parent)
      const scratch = `${this.#layout.names}/${scratchPrefix}${newResourceId()}`
      let placed = false
      try {
        await writeFileDurably(this.#system, scratch, nameText(file))
        await this.#system.rename(scratch, path)
        placed = true
        await syncDirectory(this.#system, this.#pathOf(parent))
      } catch (error) {
        // A name of which nobody knows whether it is durable must not be seen. What stood there before is lost with it.
        await this.#system.unlink(placed ? path : scratch).catch(() => undefined)
        throw error
      }
      return before
    })
  }

  remove(place: NamePlace, recursive: boolean): Promise<readonly NamedFile[] | undefined> {
    return this.#change(place, 'cannot remove a name', async () => {
      const path = this.#pathOf(place)
      const entry = await entryAt(this.#system, path)
      if (entry === undefined) return undefined
      const removed: NamedFile[] = []
      if (entry.type === 'file') {
        await this.#system.unlink(path)
        removed.push(entry)
      } else {
        const names = (await namesIn(this.#system, path)) ?? []
        if (names.length > 0 && !recursive) {
          throw notEmpty(place)
        }
        await this.#removeBelow(path, removed)
        await this.#system.removeDirectory(path)
      }
      if (place.path !== '') await syncDirectory(this.#system, this.#pathOf(parentOf(place)))
      return removed
    })
  }

  forget(place: NamePlace, resourceId: string): Promise<void> {
    return this.#change(place, 'cannot remove a name', async () => {
      const path = this.#pathOf(place)
      const entry = await entryAt(this.#system, path)
      if (entry?.type === 'file' && entry.resourceId === resourceId) await this.#system.unlink(path)
    })
  }

  move(from: NamePlace, path: string): Promise<void> {
    return this.#change(from, 'cannot rename', async () => {
      const to = { ...from, path }
      const [before, after] = [this.#pathOf(from), this.#pathOf(to)]
      if ((await entryAt(this.#system, before)) === undefined) throw noSuchDirectory(from)
      if ((await entryAt(this.#system, after)) !== undefined) throw nameTaken(to)
      const [source, target] = [parentOf(from), parentOf(to)]
      if (target.path === '') await this.#makeDirectories(target)
      else await this.#expectDirectory(target)
      await this.#system.rename(before, after)
      await syncDirectory(this.#system, this.#pathOf(target))
      if (source.path !== target.path) await syncDirectory(this.#system, this.#pathOf(source))
    })
  }

  below(place: NamePlace): AsyncIterable<{ readonly entry: NameEntry }> {
    return walk(this.#system, this.#pathOf(place))
  }

  async tidy({ isThere, emptyMs, signal }: Parameters<NameTree['tidy']>[0]): Promise<number> {
    let removed = 0
    for await (const { place, path, entry } of walkTrees(this.#system, this.#layout.names)) {
      if (signal.aborted) return removed
      if (await this.#isStale(entry, isThere, emptyMs)) removed += await this.#removeStale(place, path, entry)
    }
    return removed
  }

  everything(): AsyncIterable<{ readonly place: NamePlace; readonly entry: NameEntry }> {
    return walkTrees(this.#system, this.#layout.names)
  }

  async restore(top: NamePlace, names: ReadonlyMap<string, NameEntry>): Promise<void> {
    for (const [path, entry] of names) {
      const place = { ...top, path }
      if (entry.type === 'directory') await this.makeDirectory(place)
      else if (!isDeepStrictEqual(await this.look(place), entry)) {
        const { type: _, ...file } = entry
        await this.put(place, file, { overwrite: true, makeParents: true })
      }
    }
  }

  async #isStale(entry: NameEntry, isThere: (id: string) => Promise<boolean>, emptyMs: number): Promise<boolean> {
    if (entry.type === 'file') return !(await isThere(entry.resourceId))
    // A clock that jumped forward removes an empty directory early, which the next upload makes again.
    return this.#clock.now() - entry.modifiedMs >= emptyMs
  }

  /** Only while it is what was seen: another file may have the name by now, and a directory may have been filled. */
  #removeStale(place: NamePlace, path: string, seen: NameEntry): Promise<number> {
    return this.#change(place, 'cannot remove a stale name', async () => {
      const entry = await entryAt(this.#system, path)
      if (entry?.type !== seen.type) return 0
      if (entry.type === 'file') {
        if (seen.type === 'file' && entry.resourceId !== seen.resourceId) return 0
        await this.#system.unlink(path)
        return 1
      }
      try {
        await this.#system.removeDirectory(path)
        return 1
      } catch (error) {
        if (isErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT')) return 0
        throw error
      }
    })
  }

  async #removeBelow(directory: string, removed: NamedFile[]): Promise<void> {
    for await (const { path, entry } of walk(this.#system, directory)) {
      if (entry.type === 'file') {
        await this.#system.unlink(path)
        removed.push(entry)
      } else await this.#system.removeDirectory(path)
    }
  }

  /** Makes a directory and its parents, each name durable, after the whole path was checked. */
  async #makeDirectories(place: NamePlace, forFile = false): Promise<void> {
    const path = this.#pathOf(place)
    let made = this.#layout.names
    for (const name of [place.namespace, place.tree, ...place.path.split('/')]) {
      if (name === '') continue
      const next = `${made}/${name}`
      await makeDirectoryDurably(this.#system, made, next)
      if (!(await this.#system.stat(next)).directory)
        throw next === path && !forFile ? nameTaken(place) : notDirectory(place, name)
      made = next
    }
  }

  async #expectDirectory(place: NamePlace): Promise<void> {
    const entry = await entryAt(this.#system, this.#pathOf(place))
    if (entry === undefined) throw noSuchDirectory(place)
    if (entry.type === 'file') throw notDirectory(place, place.path)
  }

  #pathOf({ namespace, tree, path }: NamePlace): string {
    if (!treePattern.test(tree)) throw new SupercargoError('unsafe', 'unsafe-name', 'this is not the name of a tree')
    const top = `${this.#layout.names}/${checkedNamespace(namespace)}/${tree}`
    if (path === '') return top
    const fault = pathFault(path)
    if (fault !== undefined)
      throw new SupercargoError('unsafe', 'path-escape', `the path ${printable(path)} is refused: ${fault}`)
    return `${top}/${path}`
  }

  #change<Result>(place: NamePlace, action: string, work: () => Promise<Result>): Promise<Result> {
    const key = `${place.namespace}/${place.tree}`
    return this.#changes.run(key, () => this.#translated(action, work))
  }

  async #translated<Result>(action: string, work: () => Promise<Result>): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      throw fromStorageError(error, action)
    }
  }
}

function parentOf(place: NamePlace): NamePlace {
  const slash = place.path.lastIndexOf('/')
  return { ...place, path: slash < 0 ? '' : place.path.slice(0, slash) }
}
