/** The port of everything that dependencies are read from. */
import type { Readable } from 'node:stream'
import type { Digest } from '@supercargo/protocol'
import type { Checksum } from '../checksum.ts'

/**
 * One thing to read: a URI as the plan writes it (without its fragment), or a file of a staged resource. Its `secretFile` holds
 * what opens it, sent as a bearer token: the resource's secret, or the token of the pod.
 */
export type SourceItem =
  | { readonly kind: 'uri'; readonly uri: string; readonly secretFile?: string | undefined }
  | { readonly kind: 'staged'; readonly resource: string; readonly secretFile: string; readonly path: string }

/** What is known of an item before any of its bytes. */
export interface Facts {
  readonly sizeBytes?: number | undefined
  readonly etag?: string | undefined
  readonly digest?: Digest | undefined
}

export interface OpenOptions {
  /** The first byte that is wanted. */
  readonly offset: number
  /**
   * Where the wanted bytes end; without it, at the end of the item. Only asked of a source that has `ranges`, and only with
   * `etag`: then it is exactly these bytes of exactly this version, or an error.
   */
  readonly end?: number | undefined
  /**
   * The strong ETag of the bytes already held: the source gives `offset` of the same content, or everything from 0 of another,
   * or fails with `source-changed`.
   */
  readonly etag?: string | undefined
  /** A checksum would say no more than what is known, and is not asked for where that costs a request. */
  readonly digestKnown?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

export interface Opened {
  /** Where in the item the first byte of `stream` stands: 0 or `offset` as a rule, but always what is true. */
  readonly start: number
  /** Of the whole item, when the source says it. */
  readonly sizeBytes?: number | undefined
  /** Only a strong one: equal ETags mean equal bytes. */
  readonly etag?: string | undefined
  readonly contentType?: string | undefined
  /** Of the whole item, as its place states it; compared when all bytes are there, unless the digest is known. */
  readonly checksum?: Checksum | undefined
  /** The bytes are not the item's own but encoded (`gzip`), although that was not asked for. */
  readonly contentEncoding?: string | undefined
  /** Paused. It ends cleanly only when the item is complete by the source's own framing; otherwise it fails. */
  readonly stream: Readable
  /** Lets go of the stream without reading it. Idempotent. */
  discard(): void
}

/** One of the files behind an item that names many. */
export interface ListedFile {
  readonly item: SourceItem
  /** Below the item's target. It comes from outside, so whoever makes a path of it checks it. */
  readonly path: string
  readonly sizeBytes?: number | undefined
}

/** Many small items in one tar stream, each entry named by the item's `path`. */
export interface OpenedBundle {
  readonly stream: Readable
  discard(): void
}

/**
 * A place to read from.
 *
 * Laws:
 * 1. `stat` moves no content. What it does not know it leaves out; it never guesses.
 * 2. `open` reports where the bytes really start and how many there are in all; the caller trusts it over its own wish.
 * 3. A source never repeats a failed exchange. It classifies: `unavailable` and `interrupted` may be tried again by the flow,
 *    `range` means "ask again from 0", `corrupt` with code `source-changed` means "begin anew", all else is final. Two
 *    exceptions: a credential that was refused and is another by now is sent once more, and so is a request in which the answer
 *    names what was wrong (the region of a bucket, the time of day).
 * 4. Bytes of two versions never come out of one stream: an item that changes while it is read fails with `source-changed`.
 * 5. After the signal aborts, the stream fails and nothing is left open.
 * 6. With `end`, another version than `etag` names fails with `source-changed`, and a place that cannot give just a part with
 *    kind `range`: never are other bytes given for those that were asked for.
 * 7. Credentials go to the origin they are configured for, and to nobody else. No message holds one, nor a URI's user or query.
 */
export interface Source {
  /** Present where parts of one item may be asked for side by side, with `end`. */
  readonly ranges?: true | undefined
  /** Stable and without secrets: equal identities mean the same item. It is hashed into names on disk. */
  identity(item: SourceItem): string
  /** How the item is called in messages and reports. */
  shown(item: SourceItem): string
  stat(item: SourceItem, signal?: AbortSignal): Promise<Facts>
  open(item: SourceItem, options: OpenOptions): Promise<Opened>
  /** Present where one stream can carry many items. Items that are larger than `sizeBytesMax` are not in it. */
  readonly bundle?:
    | ((item: SourceItem, options: { sizeBytesMax: number; signal?: AbortSignal | undefined }) => Promise<OpenedBundle>)
    | undefined
  /**
   * Present where one item may name many files: a folder by a `/` at its end, a pattern by its signs. Undefined for an item that
   * names one. Rejects with `notFound` when there is none, and with `tooLarge` beyond `filesMax`. One try, as with `stat`.
   */
  readonly list?:
    | ((
        item: SourceItem,
        options: { filesMax: number; signal?: AbortSignal | undefined },
      ) => Promise<readonly ListedFile[]> | undefined)
    | undefined
  /** Closes idle connections. */
  close(): void
}
