/** Whose a file is that a Hadoop client uploads: by the claim that its path names, by the pod that reads it, else by its age. Pure. */
import { claimLabel, labelsSchema, type Owner, printable, SupercargoError } from '@supercargo/protocol'
import type { CommitNotes, ResourceRecord } from '../../store/store.ts'

/** Owners of one resource, as the protocol allows. */
const ownersMax = 16
const claimPrefix = 'claim='
/** The directory that Spark makes for each file of one submission: what is in it belongs to that submission's driver. */
const sparkUpload = /^spark-upload-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The values of all `claim=<value>` directories of a path. */
export function claimsIn(path: string): readonly string[] {
  const directories = path.split('/').slice(0, -1)
  const values = directories
    .filter((name) => name.startsWith(claimPrefix))
    .map((name) => name.slice(claimPrefix.length))
  for (const value of values) {
    if (value !== '' && labelsSchema.safeParse({ [claimLabel]: value }).success) continue
    throw new SupercargoError('invalid', 'bad-claim', `${printable(`${claimPrefix}${value}`)} names no claim`, {
      hint: `a claim is the value of the label ${claimLabel}: letters, digits, "-", "_" and ".", at most 63`,
    })
  }
  return [...new Set(values)]
}

/** The owners of a new file. Without a claim a placeholder that no pod carries by chance: then its age decides. */
export function ownersOf(
  namespace: string,
  path: string,
  resourceId: string,
  maxAgeMs: number,
): { readonly owners: readonly Owner[]; readonly notes: CommitNotes } {
  const claims = claimsIn(path)
  if (claims.length > ownersMax)
    throw new SupercargoError('invalid', 'too-many-claims', `a path names at most ${ownersMax} claims`)
  const owners = (claims.length === 0 ? [resourceId] : claims).map((value) => claiming(namespace, value))
  return { owners, notes: claims.length === 0 ? { maxAgeMs } : {} }
}

/**
 * Whether the pod that reads a file owns it. Only where it is certain: in a directory that one submission of Spark made for
 * itself, and without a claim, which is more certain. A file that somebody put elsewhere may be read by many one after another.
 */
export function ownedByReader(path: string): boolean {
  return (
    path
      .split('/')
      .slice(0, -1)
      .some((name) => sparkUpload.test(name)) && claimsIn(path).length === 0
  )
}

/** The record with one more owner; the same record when nothing changes. What is known ends the placeholder and the age. */
export function withReader(record: ResourceRecord, reader: Owner): ResourceRecord {
  const { maxAgeMs, ...rest } = record
  const known = maxAgeMs === undefined ? record.owners : []
  if (known.length >= ownersMax || known.some((owner) => owner.uid !== undefined && owner.uid === reader.uid))
    return record
  return { ...rest, owners: [...known, reader] }
}

function claiming(namespace: string, value: string): Owner {
  return { namespace, apiVersion: 'v1', kind: 'Pod', labels: { [claimLabel]: value } }
}
