/** The objects behind a folder or a pattern. */
import { SupercargoError } from '@supercargo/protocol'
import { type Bucket, type ListedObject, objectsBelow } from '@supercargo/transfer/s3'
import type { ListedFile } from '../source.ts'
import { type S3Uri, s3Uri } from './s3-uri.ts'

export interface ListOptions {
  readonly shown: string
  readonly filesMax: number
  readonly signal?: AbortSignal | undefined
}

/** Objects that are looked at for one pattern, and do not fit it, before it counts as too wide. */
const scannedObjectsMax = 100_000

export async function listObjects(bucket: Bucket, uri: S3Uri, options: ListOptions): Promise<ListedFile[]> {
  const found = new Map<string, ListedFile>()
  const add = ({ key, sizeBytes }: ListedObject, path: string): void => {
    found.set(key, { item: { kind: 'uri', uri: s3Uri(bucket.settings.bucket, key) }, path, sizeBytes })
    if (found.size > options.filesMax) throw tooMany(options.shown, options.filesMax)
  }
  if (uri.names === 'folder') {
    for await (const object of objectsBelow(bucket, uri.key, { ...options, isLevel: false }))
      if (!isMarker(object)) add(object, object.key.slice(uri.key.length))
  }
  let scanned = 0
  for (const pattern of uri.patterns) {
    for await (const object of objectsBelow(bucket, pattern.prefix, { ...options, isLevel: pattern.isLevel })) {
      if (++scanned > scannedObjectsMax) throw tooWide(options.shown)
      if (!isMarker(object) && pattern.matches(object.key)) add(object, object.key.split('/').at(-1)!)
    }
  }
  if (found.size > 0) return [...found.values()]
  throw new SupercargoError('notFound', 'nothing-matches', `${options.shown} names no object`, {
    hint: 'does the folder or pattern fit the keys of the bucket, in upper and lower case? folders themselves do not count',
  })
}

/** An empty object whose name says that there is a folder: for consoles and older Hadoop. */
function isMarker({ key, sizeBytes }: ListedObject): boolean {
  return sizeBytes === 0 && (key.endsWith('/') || key.endsWith('_$folder$'))
}

function tooMany(shown: string, filesMax: number): SupercargoError {
  return new SupercargoError('tooLarge', 'too-many-files', `${shown} names more than ${filesMax} objects`, {
    hint: 'name a smaller folder, pack the files into one archive, or raise limits.listedFilesMax in the plan',
  })
}

function tooWide(shown: string): SupercargoError {
  const text = `${shown} would have to be looked for among more than ${scannedObjectsMax} objects`
  return new SupercargoError('tooLarge', 'too-many-files', text, { hint: 'write more of the path before the first *' })
}
