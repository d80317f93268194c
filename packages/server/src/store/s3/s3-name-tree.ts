/** Trees of names in a bucket: each tree is one object, so that every change of it is one comparing write. */
import { pathFault, printable, SupercargoError } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import type { BucketObjects } from '@supercargo/transfer/s3'
import { checkedNamespace } from '../disk-layout.ts'
import { treePattern } from '../name-files.ts'
import type { ListedName, NamedFile, NameEntry, NamePlace, NameTree } from '../name-tree.ts'
import { isDirectory, nameTaken, noSuchDirectory, notDirectory, notEmpty } from '../name-tree-error.ts'
import { newResourceId } from '../store-parts.ts'
import type { S3Layout } from './s3-layout.ts'
import { type Entries, parseTree, treesIn } from './s3-name-objects.ts'

type PutOptions = Parameters<NameTree['put']>[2]

/** A tree is read and written as a whole: beyond this that would be slow, and an uploader has no business with so many. */
const namesMax = 20_000
const attemptsMax = 30

export function s3NameTree(objects: BucketObjects, layout: S3Layout, clock: Clock): NameTree {
  return new BucketNameTree(objects, layout, clock)
}

class BucketNameTree implements NameTree {
  readonly #objects: BucketObjects
  readonly #layout: S3Layout
  readonly #clock: Clock

  constructor(objects: BucketObjects, layout: S3Layout, clock: Clock) {
    this.#objects = objects
    this.#layout = layout
    this.#clock = clock
  }

  async look(place: NamePlace): Promise<NameEntry | undefined> {
    const entries = await this.#read(place)
    return place.path === '' ? { type: 'directory', modifiedMs: 0 } : entries.get(place.path)
  }

  async list(place: NamePlace): Promise<readonly ListedName[] | undefined> {
    const entries = await this.#read(place)
    if (place.path !== '' && entries.get(place.path)?.type !== 'directory') return undefined
    const listed: ListedName[] = []
    for (const [path, entry] of entries)
      if (parentOf(path) === place.path) listed.push({ name: path.slice(path.lastIndexOf('/') + 1), entry })
    return listed.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  async makeDirectory(place: NamePlace): Promise<void> {
    await this.#change(place, (entries) => this.#makeDirectories(entries, place, place.path))
  }

  put(place: NamePlace, file: NamedFile, options: PutOptions): Promise<NamedFile | undefined> {
    return this.#change(place, (entries) => this.#put(entries, place, file, options))
  }

  remove(place: NamePlace, recursive: boolean): Promise<readonly NamedFile[] | undefined> {
    return this.#change(place, (entries) => {
      const entry = entries.get(place.path)
      if (entry === undefined && (place.path !== '' || entries.size === 0)) return undefined
      if (entry?.type === 'file') {
        entries.delete(place.path)
        return [entry]
      }
      const inside = [...entries].filter(([path]) => isBelow(path, place.path))
      if (inside.length > 0 && !recursive) throw notEmpty(place)
      for (const [path] of inside) entries.delete(path)
      entries.delete(place.path)
      return inside.map(([, each]) => each).filter((each) => each.type === 'file')
    })
  }

  async forget(place: NamePlace, resourceId: string): Promise<void> {
    await this.#change(place, (entries) => {
      const entry = entries.get(place.path)
      if (entry?.type === 'file' && entry.resourceId === resourceId) entries.delete(place.path)
    })
  }

  async move(from: NamePlace, path: string): Promise<void> {
    const to = { ...from, path }
    assertPath(path)
    await this.#change(from, (entries) => {
      const moved = entries.get(from.path)
      if (moved === undefined) throw noSuchDirectory(from)
      if (path === '' || entries.has(path)) throw nameTaken(to)
      expectDirectory(entries, { ...from, path: parentOf(path) })
      if (isBelow(path, from.path)) throw notDirectory(to, from.path)
      const below = [...entries].filter(([each]) => isBelow(each, from.path))
      for (const [each] of below) entries.delete(each)
      entries.delete(from.path)
      entries.set(path, moved)
      for (const [each, entry] of below) entries.set(path + each.slice(from.path.length), entry)
    })
  }

  async *below(place: NamePlace): AsyncGenerator<{ readonly entry: NameEntry }> {
    const entries = await this.#read(place)
    // What is inside has the longer path.
    const found = [...entries].filter(([path]) => isBelow(path, place.path)).sort(([a], [b]) => b.length - a.length)
    for (const [, entry] of found) yield { entry }
  }

  async *everything(): AsyncGenerator<{ readonly place: NamePlace; readonly entry: NameEntry }> {
    for await (const top of treesIn(this.#objects, this.#layout)) {
      const entries = [...(await this.#read(top))].sort(([a], [b]) => b.length - a.length)
      for (const [path, entry] of entries) yield { place: { ...top, path }, entry }
    }
  }

  async restore(top: NamePlace, names: ReadonlyMap<string, NameEntry>): Promise<void> {
    await this.#change(top, (entries) => {
      for (const [path, entry] of names) {
        assertPath(path)
        const place = { ...top, path }
        if (entry.type === 'directory') this.#makeDirectories(entries, place, path)
        else this.#put(entries, place, entry, { overwrite: true, makeParents: true })
      }
    })
  }

  async tidy({ isThere, emptyMs, signal }: Parameters<NameTree['tidy']>[0]): Promise<number> {
    let removed = 0
    for await (const top of treesIn(this.#objects, this.#layout)) {
      if (signal.aborted) return removed
      removed += await this.#tidyTree(top, isThere, emptyMs)
    }
    return removed
  }

  async #tidyTree(top: NamePlace, isThere: (id: string) => Promise<boolean>, emptyMs: number): Promise<number> {
    const gone = new Set<string>()
    const before = await this.#read(top)
    for (const entry of before.values())
      if (entry.type === 'file' && !(await isThere(entry.resourceId))) gone.add(entry.resourceId)
    const nowMs = this.#clock.now()
    const isOld = (entry: NameEntry): boolean => entry.type === 'directory' && nowMs - entry.modifiedMs >= emptyMs
    if (gone.size === 0 && ![...before.values()].some(isOld)) return 0
    return this.#change(top, (entries) => {
      const count = entries.size
      for (const [path, entry] of [...entries].sort(([a], [b]) => b.length - a.length)) {
        const isStale =
          entry.type === 'file'
            ? gone.has(entry.resourceId)
            : isOld(entry) && ![...entries.keys()].some((each) => isBelow(each, path))
        if (isStale) entries.delete(path)
      }
      return count - entries.size
    })
  }

  #put(
    entries: Entries,
    place: NamePlace,
    file: NamedFile,
    { overwrite, makeParents }: PutOptions,
  ): NamedFile | undefined {
    if (place.path === '') throw isDirectory(place)
    const before = entries.get(place.path)
    if (before?.type === 'directory') throw isDirectory(place)
    if (before !== undefined && !overwrite) throw nameTaken(place)
    const parent = parentOf(place.path)
    if (makeParents) this.#makeDirectories(entries, place, parent, true)
    else expectDirectory(entries, { ...place, path: parent })
    if (before === undefined && entries.size >= namesMax) throw tooMany()
    entries.set(place.path, { type: 'file', ...file })
    return before
  }

  /** Makes a directory and its parents. */
  #makeDirectories(entries: Entries, place: NamePlace, path: string, forFile = false): void {
    if (path === '') return
    const names = path.split('/')
    for (let count = 1; count <= names.length; count++) {
      const made = names.slice(0, count).join('/')
      const entry = entries.get(made)
      if (entry?.type === 'file')
        throw made === path && !forFile ? nameTaken(place) : notDirectory(place, names[count - 1]!)
      if (entry === undefined) {
        if (entries.size >= namesMax) throw tooMany()
        entries.set(made, { type: 'directory', modifiedMs: this.#clock.now() })
      }
    }
  }

  /** Changes a tree; when somebody else was faster, once more as it is now. */
  async #change<Result>(place: NamePlace, change: (entries: Entries) => Result): Promise<Result> {
    const key = this.#keyOf(place)
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const found = await this.#objects.readText(key)
      const entries = found === undefined ? new Map() : parseTree(found.text)
      const before = JSON.stringify([...entries])
      const result = change(entries)
      if (JSON.stringify([...entries]) === before) return result
      // No two writes are alike, so that a repeated one finds out whether the first arrived.
      const text = JSON.stringify({ version: 1, entries: [...entries], nonce: newResourceId() })
      const condition = found === undefined ? ({ absent: true } as const) : { etag: found.etag }
      if ((await this.#objects.write(key, text, condition)) !== undefined) return result
    }
    const says = 'too many change this tree of names at the same time'
    throw new SupercargoError('unavailable', 'store-contended', says, { hint: 'try again in a moment' })
  }

  async #read(place: NamePlace): Promise<Entries> {
    const found = await this.#objects.readText(this.#keyOf(place))
    return found === undefined ? new Map() : parseTree(found.text)
  }

  #keyOf({ namespace, tree, path }: NamePlace): string {
    if (!treePattern.test(tree)) throw new SupercargoError('unsafe', 'unsafe-name', 'this is not the name of a tree')
    assertPath(path)
    return `${this.#layout.names}${checkedNamespace(namespace)}/${tree}.json`
  }
}

function assertPath(path: string): void {
  const fault = path === '' ? undefined : pathFault(path)
  if (fault !== undefined)
    throw new SupercargoError('unsafe', 'path-escape', `the path ${printable(path)} is refused: ${fault}`)
}

function expectDirectory(entries: Entries, place: NamePlace): void {
  if (place.path === '') return
  const entry = entries.get(place.path)
  if (entry === undefined) throw noSuchDirectory(place)
  if (entry.type === 'file') throw notDirectory(place, place.path)
}

function isBelow(path: string, directory: string): boolean {
  return directory === '' || path.startsWith(`${directory}/`)
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

function tooMany(): SupercargoError {
  return new SupercargoError('tooLarge', 'too-many-names', `a tree has at most ${namesMax} names`, {
    hint: 'remove what is not needed, or use another token',
  })
}
