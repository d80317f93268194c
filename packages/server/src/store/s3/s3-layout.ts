/** Where things are below the prefix of a bucket. Every outside string is checked here before it becomes a part of a key. */
import { type Digest, digestHex, SupercargoError } from '@supercargo/protocol'
import { checkedDigest, checkedNamespace, isHex, isId, isNamespace } from '../disk-layout.ts'

/** What every link is called below `blobs/`. */
const linkPattern = /^([^/]+)\/([0-9a-f]{2})\/([0-9a-f]{64})$/

export class S3Layout {
  /** Empty, or ends with a slash. */
  readonly prefix: string

  constructor(prefix: string) {
    this.prefix = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`
  }

  /** Which layout this is and which cluster it serves. */
  get format(): string {
    return `${this.prefix}FORMAT`
  }

  /** The latest turn to sweep. */
  get epoch(): string {
    return `${this.prefix}epoch.json`
  }

  /** What the collector remembers. */
  get collector(): string {
    return `${this.prefix}collector.state`
  }

  /** The latest count of bytes. */
  get usage(): string {
    return `${this.prefix}usage.json`
  }

  get records(): string {
    return `${this.prefix}resources/`
  }

  record(id: string): string {
    return `${this.records}${checkedId(id)}.json`
  }

  get fetches(): string {
    return `${this.prefix}fetched/`
  }

  /** The note of the last fetch (`fetch-notes.ts`). */
  fetched(id: string): string {
    return `${this.fetches}${checkedId(id)}`
  }

  get uploads(): string {
    return `${this.prefix}uploads/`
  }

  upload(id: string): string {
    return `${this.uploads}${checkedId(id)}/`
  }

  uploadRecord(id: string): string {
    return `${this.upload(id)}upload.json`
  }

  /** How far a blob of an upload has come. */
  progress(id: string, digest: Digest): string {
    return `${this.upload(id)}${digestHex(checkedDigest(digest))}.json`
  }

  /** Bytes at the end of a suspended blob that are too few for a part. */
  tail(id: string, nonce: string): string {
    return `${this.upload(id)}${nonce}.tail`
  }

  get links(): string {
    return `${this.prefix}blobs/`
  }

  /** Says where the bytes of a blob are: the blob is there when its link is. */
  link(namespace: string, digest: Digest): string {
    const hex = digestHex(checkedDigest(digest))
    return `${this.links}${checkedNamespace(namespace)}/${hex.slice(0, 2)}/${hex}`
  }

  get allBytes(): string {
    return `${this.prefix}bytes/`
  }

  /** Bytes, written once under a name of their own. */
  bytes(nonce: string): string {
    return `${this.allBytes}${checkedId(nonce)}`
  }

  get names(): string {
    return `${this.prefix}names/`
  }

  get tokens(): string {
    return `${this.prefix}tokens/`
  }

  /** Written and removed again to see whether writes are taken. */
  probe(nonce: string): string {
    return `${this.prefix}probe/${nonce}`
  }

  /** The blob that a link is of; undefined for a foreign object. */
  linked(key: string): { readonly namespace: string; readonly hex: string } | undefined {
    const [, namespace, shard, hex] = linkPattern.exec(key.slice(this.links.length)) ?? []
    if (namespace === undefined || hex === undefined || !isNamespace(namespace) || !isHex(hex)) return undefined
    return hex.startsWith(shard!) ? { namespace, hex } : undefined
  }

  /** The id in the key of a record; undefined for a foreign object. */
  recordId(key: string): string | undefined {
    return idIn(key.slice(this.records.length), '.json')
  }

  fetchedId(key: string): string | undefined {
    return idIn(key.slice(this.fetches.length), '')
  }

  /** The id of the upload that an object belongs to; undefined for a foreign object. */
  uploadId(key: string): string | undefined {
    const [id = '', name, ...rest] = key.slice(this.uploads.length).split('/')
    return name !== undefined && rest.length === 0 && isId(id) ? id : undefined
  }

  isBytes(key: string): boolean {
    return key.startsWith(this.allBytes) && isId(key.slice(this.allBytes.length))
  }
}

function idIn(name: string, end: string): string | undefined {
  const id = name.endsWith(end) ? name.slice(0, name.length - end.length) : ''
  return isId(id) ? id : undefined
}

function checkedId(id: string): string {
  if (isId(id)) return id
  throw new SupercargoError('unsafe', 'unsafe-name', 'this is not an id of the store')
}
