/** The port of names: a tree of directories in which each file's name leads to a resource. For clients that know paths, not ids. */
import type { Digest } from '@supercargo/protocol'

/** Where in which tree. Trees of one namespace know nothing of each other. */
export interface NamePlace {
  readonly namespace: string
  /** The name of the tree: `[a-z0-9]`, at most 63. */
  readonly tree: string
  /** From the top of the tree; `''` is the top itself, which is always there. Otherwise as `pathFault` wants it. */
  readonly path: string
}

/** A file of the tree: one resource of one file, and what a listing says about it. */
export interface NamedFile {
  readonly resourceId: string
  /** The file's path in its resource. */
  readonly file: string
  readonly sizeBytes: number
  readonly digest: Digest
  readonly modifiedMs: number
}

export type NameEntry =
  | ({ readonly type: 'file' } & NamedFile)
  | { readonly type: 'directory'; readonly modifiedMs: number }

export interface ListedName {
  readonly name: string
  readonly entry: NameEntry
}

/**
 * A name is visible when it is durable, and durable when the call that made it resolves; it appears by one rename. It says
 * nothing about the life of the resource: a resource that the collector released leaves a name that leads nowhere, which
 * readers take for absent and `tidy` removes. Calls that change one tree run one after the other.
 *
 * Kind `conflict`, codes: `is-a-directory`, `not-a-directory`, `name-taken`, `directory-not-empty`. Kind `notFound`, code
 * `no-such-directory`. Kind `unsafe` for a path that `pathFault` refuses.
 */
export interface NameTree {
  look(place: NamePlace): Promise<NameEntry | undefined>
  /** What is in a directory, sorted by name; undefined when there is no such directory. */
  list(place: NamePlace): Promise<readonly ListedName[] | undefined>
  /** With all parents. Nothing happens when it is there. */
  makeDirectory(place: NamePlace): Promise<void>
  /**
   * Gives a committed resource its name; resolves to the file that had it before. When it rejects, the name does not lead to
   * the resource.
   */
  put(
    place: NamePlace,
    file: NamedFile,
    options: { readonly overwrite: boolean; readonly makeParents: boolean },
  ): Promise<NamedFile | undefined>
  /** Removes a file or a directory; resolves to the files that lost their names, undefined when nothing was there. */
  remove(place: NamePlace, recursive: boolean): Promise<readonly NamedFile[] | undefined>
  /** Removes a file's name if it still leads to this resource. */
  forget(place: NamePlace, resourceId: string): Promise<void>
  /** Moves a file or a directory within its tree to a place where nothing is and whose parent is there. */
  move(from: NamePlace, path: string): Promise<void>
  /** Everything below a directory, what is inside before what holds it. */
  below(place: NamePlace): AsyncIterable<{ readonly entry: NameEntry }>
  /** Every name of every tree, what is inside before what holds it; the tops themselves are not among them. */
  everything(): AsyncIterable<{ readonly place: NamePlace; readonly entry: NameEntry }>
  /**
   * Takes in names of one tree of another store, whatever they led to here; `top` is its top. As `put` each, and cheap for many
   * at a time. Repeated, it changes nothing.
   */
  restore(top: NamePlace, names: ReadonlyMap<string, NameEntry>): Promise<void>
  /**
   * Removes names whose resource `isThere` denies and directories that have been empty for `emptyMs` by the wall clock.
   * Resolves to the number of names removed.
   */
  tidy(options: {
    readonly isThere: (resourceId: string) => Promise<boolean>
    readonly emptyMs: number
    readonly signal: AbortSignal
  }): Promise<number>
}
