/** From --owner, --owner-uid and --owner-label to owners; a fresh claim label when nobody is named. */
import { randomInt } from 'node:crypto'
import { claimLabel, nearest, type Owner, ownersSchema, parseWith, standardApiVersions } from '@supercargo/protocol'
import { type Settings, usageError } from './settings.ts'

export interface ChosenOwner {
  readonly owners: readonly Owner[]
  /** The value of the label that was made up, when nobody was named. */
  readonly claim?: string
}

const claimAlphabet = 'abcdefghijklmnopqrstuvwxyz0123456789'
const claimLength = 16

export function chooseOwner(settings: Settings): ChosenOwner {
  const namespace = settings.text('namespace') ?? 'default'
  const uid = settings.text('owner-uid')
  const labels = readLabels(settings.list('owner-label'))
  const named = settings.list('owner').map(readOwner)
  if (named.length === 0 && uid === undefined && labels === undefined) {
    const claim = Array.from({ length: claimLength }, () => claimAlphabet[randomInt(claimAlphabet.length)]).join('')
    return { owners: check([{ namespace, apiVersion: 'v1', kind: 'Pod', labels: { [claimLabel]: claim } }]), claim }
  }
  if (named.length > 1 && uid !== undefined) throw usageError('--owner-uid belongs to one owner, and several are named')
  const owners = (named.length === 0 ? [{ apiVersion: 'v1', kind: 'Pod' }] : named).map((owner) => ({
    namespace,
    ...owner,
    ...(uid === undefined ? {} : { uid }),
    ...(labels === undefined ? {} : { labels }),
  }))
  for (const owner of owners) {
    if (!('name' in owner) && uid === undefined && labels === undefined)
      throw usageError(
        `--owner ${owner.kind} names no object`,
        `write ${owner.kind}/NAME, or add --owner-uid or --owner-label`,
      )
  }
  return { owners: check(owners) }
}

/** `KIND`, `KIND/NAME`, `v1/KIND/NAME` or `group/v1/KIND/NAME`. */
function readOwner(text: string): { apiVersion: string; kind: string; name?: string } {
  const parts = text.split('/')
  if (parts.length > 4 || parts.includes(''))
    throw usageError(`--owner ${text} is not an owner`, 'write KIND/NAME: Pod/driver')
  if (parts.length > 2) {
    const [kind, name] = parts.slice(-2) as [string, string]
    return { apiVersion: parts.slice(0, -2).join('/'), kind, name }
  }
  const kinds = Object.keys(standardApiVersions)
  const kind = kinds.find((candidate) => candidate.toLowerCase() === parts[0]!.toLowerCase())
  if (kind === undefined) {
    const meant = nearest(parts[0]!, kinds)
    throw usageError(
      `the kind "${parts[0]}" is not known`,
      meant === undefined
        ? 'write it with its version: group/v1/KIND/NAME'
        : `did you mean ${meant}? Other kinds are written group/v1/KIND/NAME`,
    )
  }
  return { apiVersion: standardApiVersions[kind]![0]!, kind, ...(parts[1] === undefined ? {} : { name: parts[1] }) }
}

function readLabels(texts: readonly string[]): Record<string, string> | undefined {
  if (texts.length === 0) return undefined
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf('=')
      if (equals < 1) throw usageError(`--owner-label ${text} is not a label`, 'write KEY=VALUE')
      return [text.slice(0, equals), text.slice(equals + 1)]
    }),
  )
}

function check(owners: readonly object[]): readonly Owner[] {
  try {
    return parseWith(ownersSchema, owners, 'the owner')
  } catch (error) {
    throw usageError((error as Error).message)
  }
}
