/** From plans and manifests to concrete inputs with targets; every conflict that can be known is found here. No I/O. */
import { createHash } from 'node:crypto'
import { type Digest, pathFault, printable, type StagedFile, SupercargoError } from '@supercargo/protocol'
import { credentialFileOf, type Item, planDigest, type RootPlan } from './root-plan.ts'
import type { ListedFile, SourceItem } from './sources/source.ts'

/** One input of a root: a file at `to`, or an archive whose entries go below `to`. */
export interface Input {
  readonly item: SourceItem
  /** How the input is called in messages: the place in the plan and the source. */
  readonly name: string
  readonly shown: string
  readonly to: string
  readonly unpack: boolean
  readonly digest?: Digest | undefined
  readonly sizeBytes?: number | undefined
  /** Names the bytes: equal contents have one. The digest where it is known, else the source. */
  readonly content: string
  /** Names the input in a report: content, target and what is done with it. */
  readonly key: string
}

export interface ExpandedRoot {
  readonly root: string
  readonly plan: Digest
  readonly inputs: readonly Input[]
}

/** What expanding needs to know of the outside. */
export interface Expanding {
  readonly manifests: ReadonlyMap<string, readonly StagedFile[]>
  /** By URI, for those that name a folder or a pattern. */
  readonly listings: ReadonlyMap<string, readonly ListedFile[]>
  identity(item: SourceItem): string
  shown(item: SourceItem): string
}

/** Throws kind `conflict` when two inputs want one target, naming both. Items of `local:` are not inputs. */
export function expandRoot(plan: RootPlan, expanding: Expanding): ExpandedRoot {
  const inputs = plan.items.flatMap((item, index) => itemInputs(item, index, expanding))
  const fault = inputConflict(inputs)
  if (fault !== undefined) {
    throw new SupercargoError('conflict', 'same-target', `in ${plan.root}: ${fault}`, {
      hint: 'give one of the two another target',
    })
  }
  return { root: plan.root, plan: planDigest(plan), inputs }
}

/** The item of a plan as a source sees it, without the fragment that only names the file. */
export function sourceItemOf(item: Extract<Item, { uri: string }>): SourceItem {
  return { kind: 'uri', uri: item.uri.replace(/#.*$/s, ''), secretFile: item.secretFile }
}

function itemInputs(item: Item, index: number, expanding: Expanding): Input[] {
  if ('uri' in item) {
    if (/^local:/i.test(item.uri)) return []
    const listed = expanding.listings.get(item.uri)
    if (listed !== undefined) return listedInputs(item, listed, index, expanding)
    return [input(sourceItemOf(item), index, item.to, item.unpack, item.digest, item.sizeBytes, expanding)]
  }
  const files = expanding.manifests.get(item.resource) ?? []
  return files.map((file) => {
    const { resource } = item
    const source: SourceItem = { kind: 'staged', resource, secretFile: credentialFileOf(item), path: file.path }
    const to = item.to === '.' ? file.path : `${item.to}/${file.path}`
    return input(source, index, to, false, file.digest, file.sizeBytes, expanding)
  })
}

/** Every file of a folder or a pattern below the target; archives are all unpacked at it. */
function listedInputs(
  item: Extract<Item, { uri: string }>,
  listed: readonly ListedFile[],
  index: number,
  expanding: Expanding,
): Input[] {
  if (item.digest !== undefined || item.sizeBytes !== undefined)
    throw new SupercargoError(
      'invalid',
      'digest-of-many',
      `items[${index}] names many files, so it cannot have a digest or a size`,
      { hint: 'write one item for each file whose digest is known' },
    )
  return listed.map((file) => {
    const to = item.unpack ? item.to : item.to === '.' ? file.path : `${item.to}/${file.path}`
    const fault = pathFault(file.path) ?? (item.unpack ? undefined : pathFault(to))
    if (fault !== undefined)
      throw new SupercargoError(
        'unsafe',
        'unsafe-name',
        `items[${index}]: the name ${printable(file.path)} of ${expanding.shown(file.item)} is refused: ${fault}`,
      )
    return input(file.item, index, to, item.unpack, undefined, file.sizeBytes, expanding)
  })
}

function input(
  item: SourceItem,
  index: number,
  to: string,
  unpack: boolean,
  digest: Digest | undefined,
  sizeBytes: number | undefined,
  expanding: Expanding,
): Input {
  const shown = expanding.shown(item)
  const content = shortHash(digest ?? expanding.identity(item))
  if (to === '.' && !unpack)
    throw new SupercargoError(
      'invalid',
      'no-file-name',
      `items[${index}] (${shown}) has no file name: its target is the root itself`,
    )
  return {
    item,
    name: `items[${index}] (${shown})`,
    shown,
    to,
    unpack,
    digest,
    sizeBytes,
    content,
    key: shortHash(JSON.stringify([content, to, unpack])),
  }
}

/**
 * Two files at one target, names that are one after Unicode normalisation, a file where another input needs a directory, or
 * a file where an archive's entries go. Entries of archives are compared when they are known (`unpack`).
 */
function inputConflict(inputs: readonly Input[]): string | undefined {
  const files = new Map<string, Input>()
  for (const one of inputs) {
    if (one.unpack) continue
    const key = one.to.normalize('NFC')
    const twin = files.get(key)
    if (twin !== undefined) return `${twin.name} and ${one.name} have one target, ${printable(one.to)}`
    files.set(key, one)
  }
  for (const one of inputs) {
    const key = one.to.normalize('NFC')
    const own = one.unpack ? files.get(key) : undefined
    if (own !== undefined) return `${own.name} is a file where ${one.name} is unpacked, ${printable(one.to)}`
    for (let slash = key.lastIndexOf('/'); slash > 0; slash = key.lastIndexOf('/', slash - 1)) {
      const parent = files.get(key.slice(0, slash))
      if (parent !== undefined)
        return `${parent.name} is a file at ${printable(parent.to)} and cannot hold ${printable(one.to)} of ${one.name}`
    }
  }
  return undefined
}

/** 32 hex digits: enough that two contents never meet, short enough for a file name. */
function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}
