/** The parts of a disk store that its uploads, intakes and maintenance share. */

import {
  type Digest,
  emptyDigest,
  formatBytes,
  namespaceOf,
  type Owner,
  pathFault,
  printable,
  resourceIdAlphabet,
  resourceIdLength,
  type StagedFile,
  SupercargoError,
} from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import { customAlphabet } from 'nanoid'
import type { BlobShelf } from './blob-shelf.ts'
import { checkedDigest, checkedNamespace, type DiskLayout } from './disk-layout.ts'
import type { FileSystem } from './file-system.ts'
import type { KeyedMutex } from './keyed-mutex.ts'
import type { ResourceRecords } from './resource-records.ts'
import type { SpaceLedger } from './space-ledger.ts'
import type { StoreLimits } from './store.ts'
import type { StoreEvents } from './store-events.ts'
import type { WriteBudget } from './write-budget.ts'

export interface StoreParts {
  readonly system: FileSystem
  readonly layout: DiskLayout
  readonly limits: StoreLimits
  readonly clock: Clock
  /** Shared by whatever is being written. */
  readonly budget: WriteBudget
  readonly ledger: SpaceLedger
  readonly shelf: BlobShelf
  readonly records: ResourceRecords
  readonly events: StoreEvents
  /** Serialises what changes one resource, by its id. */
  readonly changes: KeyedMutex
  /** Namespaces whose uploads send every byte, so that to know a digest gives nothing. */
  readonly isolatedNamespaces: ReadonlySet<string>
}

export const newResourceId: () => string = customAlphabet(resourceIdAlphabet, resourceIdLength)

/** The namespace of owners who are all in one. */
export function checkedOwners(owners: readonly Owner[]): string {
  if (owners.length === 0) throw new SupercargoError('invalid', 'no-owner', 'a resource needs an owner')
  const namespace = checkedNamespace(namespaceOf(owners))
  if (owners.some((owner) => owner.namespace !== namespace)) {
    throw new SupercargoError('invalid', 'several-namespaces', 'all owners of one resource are in one namespace')
  }
  return namespace
}

/** Checks a set of declared files against the limits; throws `invalid`, `unsafe` or `tooLarge`. */
export function checkFiles(files: readonly StagedFile[], limits: StoreLimits): void {
  checkCount(files.length, limits)
  const sizes = new Map<Digest, number>()
  let bytes = 0
  for (const { path, sizeBytes, digest } of files) {
    checkPath(path)
    checkedDigest(digest)
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0)
      throw new SupercargoError('invalid', 'bad-size', `the size of ${printable(path)} is not a number of bytes`)
    if ((sizeBytes === 0) !== (digest === emptyDigest) || (sizes.get(digest) ?? sizeBytes) !== sizeBytes) {
      throw new SupercargoError(
        'invalid',
        'size-of-digest',
        `the size of ${printable(path)} does not belong to its digest ${digest}`,
      )
    }
    sizes.set(digest, sizeBytes)
    if (limits.fileBytesMax > 0 && sizeBytes > limits.fileBytesMax) throw fileTooLarge(path, limits.fileBytesMax)
    bytes += sizeBytes
  }
  if (limits.resourceBytesMax > 0 && bytes > limits.resourceBytesMax) throw resourceTooLarge(limits.resourceBytesMax)
}

export function checkPath(path: string): void {
  const fault = pathFault(path)
  if (fault !== undefined)
    throw new SupercargoError('unsafe', 'path-escape', `the path ${printable(path)} is refused: ${fault}`)
}

export function checkCount(files: number, limits: StoreLimits): void {
  if (limits.filesPerResourceMax === 0 || files <= limits.filesPerResourceMax) return
  throw new SupercargoError(
    'tooLarge',
    'too-many-files',
    `a resource has at most ${limits.filesPerResourceMax} files`,
    {
      hint: 'stage fewer files, or raise limits.filesPerResourceMax',
      context: { filesMax: limits.filesPerResourceMax },
    },
  )
}

export function fileTooLarge(path: string, bytesMax: number): SupercargoError {
  return new SupercargoError(
    'tooLarge',
    'file-too-large',
    `the file ${printable(path)} is larger than ${formatBytes(bytesMax)}`,
    {
      hint: 'raise limits.fileBytesMax',
      context: { bytesMax },
    },
  )
}

export function resourceTooLarge(bytesMax: number): SupercargoError {
  return new SupercargoError('tooLarge', 'resource-too-large', `the resource is larger than ${formatBytes(bytesMax)}`, {
    hint: 'raise limits.resourceBytesMax',
    context: { bytesMax },
  })
}
