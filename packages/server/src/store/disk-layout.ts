/** Where things are in a store's directory (DESIGN §4). Every outside string is checked here before it becomes a path. */
import { join } from 'node:path'
import { type Digest, digestHex, isDigest, printable, SupercargoError } from '@supercargo/protocol'

const idPattern = /^[0-9a-z]{26}$/
const namespacePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const scratchPattern = /^(?:record|update|probe|format|usage|collector)-([0-9a-z]{26})$/
const uploadFilePattern = /^([0-9a-f]{1,64}\.(part|done)|upload\.json|record\.json)$/
const recordPattern = /^([0-9a-z]{26})\.json$/
const hexPattern = /^[0-9a-f]{64}$/

export class DiskLayout {
  readonly directory: string
  readonly format: string
  readonly lock: string
  readonly usage: string
  /** What the collector remembers. */
  readonly collector: string
  readonly incoming: string
  readonly blobs: string
  readonly resources: string
  /** The trees of names (`name-tree.ts`). */
  readonly names: string
  /** Staging tokens, one file each. */
  readonly tokens: string
  /** Damaged blobs that a repair has moved aside. */
  readonly quarantine: string

  constructor(directory: string) {
    this.directory = directory
    this.format = join(directory, 'FORMAT')
    this.lock = join(directory, 'LOCK')
    this.usage = join(directory, 'usage.json')
    this.collector = join(directory, 'collector.state')
    this.incoming = join(directory, 'incoming')
    this.blobs = join(directory, 'blobs')
    this.resources = join(directory, 'resources')
    this.names = join(directory, 'names')
    this.tokens = join(directory, 'tokens')
    this.quarantine = join(directory, 'quarantine')
  }

  /** Holds what one upload or intake has written so far. */
  uploadDirectory(id: string): string {
    return `${this.incoming}/${checkedId(id)}`
  }

  uploadRecord(id: string): string {
    return `${this.uploadDirectory(id)}/upload.json`
  }

  /** The bytes so far of a blob of an upload. */
  part(id: string, digest: Digest): string {
    return `${this.uploadDirectory(id)}/${digestHex(checkedDigest(digest))}.part`
  }

  /** A whole blob that waits for the commit because its namespace shares nothing. */
  done(id: string, digest: Digest): string {
    return `${this.uploadDirectory(id)}/${digestHex(checkedDigest(digest))}.done`
  }

  /** The n-th file of an intake, whose digest is found out on the way. */
  intakePart(id: string, index: number): string {
    return `${this.uploadDirectory(id)}/${index.toString(16)}.part`
  }

  /** A record that is not published yet. */
  unpublishedRecord(id: string): string {
    return `${this.uploadDirectory(id)}/record.json`
  }

  /** A small file on its way to another place. */
  scratch(purpose: 'record' | 'update' | 'probe' | 'format' | 'usage' | 'collector', id: string): string {
    return `${this.incoming}/${purpose}-${checkedId(id)}`
  }

  record(id: string): string {
    return `${this.resources}/${checkedId(id)}.json`
  }

  namespaceBlobs(namespace: string): string {
    return `${this.blobs}/${checkedNamespace(namespace)}`
  }

  shard(namespace: string, digest: Digest): string {
    return `${this.namespaceBlobs(namespace)}/${digestHex(checkedDigest(digest)).slice(0, 2)}`
  }

  blob(namespace: string, digest: Digest): string {
    return `${this.shard(namespace, digest)}/${digestHex(digest)}`
  }
}

/** Names at the top of a store's directory. `lost+found` is the file system's, the journal is the lock's. */
export const knownNames: ReadonlySet<string> = new Set([
  'FORMAT',
  'LOCK',
  'LOCK-journal',
  'usage.json',
  'collector.state',
  'incoming',
  'blobs',
  'resources',
  'names',
  'tokens',
  'quarantine',
  'lost+found',
])

export function isId(name: string): boolean {
  return idPattern.test(name)
}

export function isScratch(name: string): boolean {
  return scratchPattern.test(name)
}

/** The id in the name of a scratch file, undefined for any other. */
export function scratchId(name: string): string | undefined {
  return scratchPattern.exec(name)?.[1]
}

/** A file that the store itself puts into an upload's directory. Anything else there is foreign and stays. */
export function isUploadFile(name: string): boolean {
  return uploadFilePattern.test(name)
}

export function isNamespace(name: string): boolean {
  return namespacePattern.test(name)
}

export function isHex(name: string): boolean {
  return hexPattern.test(name)
}

/** The id in the name of a record file, undefined for a foreign file. */
export function recordId(name: string): string | undefined {
  return recordPattern.exec(name)?.[1]
}

function checkedId(id: string): string {
  return idPattern.test(id) ? id : refuse('resource id', id)
}

export function checkedNamespace(namespace: string): string {
  return namespacePattern.test(namespace) ? namespace : refuse('namespace', namespace)
}

export function checkedDigest(digest: Digest): Digest {
  return isDigest(digest) ? digest : refuse('digest', digest)
}

function refuse(what: string, text: string): never {
  throw new SupercargoError('unsafe', 'unsafe-name', `${printable(String(text))} is not a ${what}`)
}
