/** The files behind a folder, with all below it, or behind a pattern. */
import { SupercargoError } from '@supercargo/protocol'
import { isPattern, patternsOf, segmentMatcher } from '../glob.ts'
import type { ListedFile } from '../source.ts'
import type { FileStatus } from './file-status.ts'
import { decodedPart, encodedPart, encodedPath, type HdfsUri } from './uri.ts'
import type { WebHdfs } from './web-hdfs.ts'

/** With what its folder says of it, which need not be asked again. */
export interface FoundFile {
  readonly listed: ListedFile
  readonly status: FileStatus
}

/** What jobs leave while they write, and nobody means to read. */
const unfinished = new Set(['_temporary'])

export function isListed({ encodedPath, isFolder }: HdfsUri): boolean {
  return isFolder || isPattern(encodedPath)
}

/**
 * A folder gives every file below it by its path from there; a pattern gives the files that it matches by their names, as Spark
 * does, and with a `/` at its end what is below the folders that it matches. Names that begin with a dot and unfinished output
 * are left out of folders. A symbolic link is refused.
 */
export async function listFiles(
  client: WebHdfs,
  uri: HdfsUri,
  filesMax: number,
  signal: AbortSignal | undefined,
): Promise<FoundFile[]> {
  const files: FoundFile[] = []
  const listing: Listing = { client, uri, signal, add: (file) => addTo(files, file, filesMax, uri) }
  const folder: Match = { path: uri.encodedPath, isFolder: true }
  const matches = isPattern(uri.encodedPath) ? matchesOf(listing) : [folder]
  const taken = new Set<string>()
  for await (const { path, isFolder, status } of matches) {
    if (isFolder !== uri.isFolder || taken.has(path)) continue
    taken.add(path)
    if (isFolder) await below(listing, path, '')
    else listing.add(fileAt(uri, path, decodedPart(path.slice(path.lastIndexOf('/') + 1)), status!))
  }
  if (files.length > 0) return files
  throw new SupercargoError('notFound', 'nothing-found', `${nameOf(uri)} names no file`, {
    hint: uri.isFolder
      ? 'the folder is empty, or holds only hidden and unfinished files'
      : 'nothing matches the pattern',
  })
}

interface Listing {
  readonly client: WebHdfs
  readonly uri: HdfsUri
  readonly signal: AbortSignal | undefined
  add(file: FoundFile): void
}

interface Match {
  readonly path: string
  readonly isFolder: boolean
  readonly status?: FileStatus
}

async function* matchesOf(listing: Listing): AsyncGenerator<Match> {
  for (const pattern of patternsOf(listing.uri.encodedPath)) {
    const parts = pattern.split('/').filter((part) => part !== '')
    yield* matchesBelow(listing, '', parts)
  }
}

async function* matchesBelow(listing: Listing, folder: string, parts: readonly string[]): AsyncGenerator<Match> {
  const [part, ...rest] = parts
  if (part === undefined) return
  if (!isPattern(part) && rest.length > 0) {
    return yield* matchesBelow(listing, `${folder}/${encodedPart(decodedPart(part))}`, rest)
  }
  const fits = segmentMatcher(part, decodedPart)
  for await (const entry of entriesOf(listing, folder === '' ? '/' : folder)) {
    const name = entry.pathSuffix ?? ''
    // A folder that is a file answers with itself, without a name.
    if (name === '' || !fits.test(name)) continue
    const path = `${folder}${encodedPath(`/${name}`)}`
    if (rest.length === 0) yield { path, isFolder: isFolder(entry, path, listing), status: entry }
    else if (entry.type === 'DIRECTORY') yield* matchesBelow(listing, path, rest)
  }
}

async function below(listing: Listing, folder: string, relative: string): Promise<void> {
  for await (const entry of entriesOf(listing, folder)) {
    const name = entry.pathSuffix ?? ''
    if (name === '')
      throw new SupercargoError('invalid', 'not-a-directory', `${nameOf(listing.uri)} is not a directory`)
    if (name.startsWith('.') || unfinished.has(name)) continue
    const path = `${folder === '/' ? '' : folder}${encodedPath(`/${name}`)}`
    if (isFolder(entry, path, listing)) await below(listing, path, `${relative}${name}/`)
    else listing.add(fileAt(listing.uri, path, relative + name, entry))
  }
}

/** A pattern matches nothing in a folder that is not there. */
async function* entriesOf({ client, uri, signal }: Listing, folder: string): AsyncGenerator<FileStatus> {
  try {
    yield* client.list(folder, signal)
  } catch (error) {
    if (!(SupercargoError.is(error) && error.kind === 'notFound' && isPattern(uri.encodedPath))) throw error
  }
}

function isFolder(entry: FileStatus, path: string, { uri }: Listing): boolean {
  if (entry.type !== 'SYMLINK') return entry.type === 'DIRECTORY'
  throw new SupercargoError('unsafe', 'symbolic-link', `${uri.scheme}://${uri.authority}${path} is a symbolic link`)
}

function fileAt({ scheme, authority }: HdfsUri, path: string, relative: string, status: FileStatus): FoundFile {
  const item = { kind: 'uri', uri: `${scheme}://${authority}${path}` } as const
  return { listed: { item, path: relative, sizeBytes: status.length }, status }
}

function addTo(files: FoundFile[], file: FoundFile, filesMax: number, uri: HdfsUri): void {
  if (files.length === filesMax)
    throw new SupercargoError('tooLarge', 'too-many-files', `${nameOf(uri)} names more than ${filesMax} files`, {
      hint: 'name fewer, or raise listedFilesMax of the limits in the plan',
    })
  files.push(file)
}

function nameOf({ scheme, authority, encodedPath, isFolder }: HdfsUri): string {
  return `${scheme}://${authority}${encodedPath}${isFolder ? '/' : ''}`
}
