/** The open uploads of a bucket as they are listed: which blobs they name, where bytes wait for them, what is left of others. */
import { namespaceOf } from '@supercargo/protocol'
import type { BucketObjects } from '@supercargo/transfer/s3'
import { parseUpload } from '../record-file.ts'
import type { S3Layout } from './s3-layout.ts'
import { parseProgress } from './upload-progress.ts'

export interface ListedUploads {
  readonly open: number
  /** Keys of the links of all blobs that they name. */
  readonly links: ReadonlySet<string>
  /** Where bytes are that came for them. */
  readonly places: ReadonlySet<string>
  /** Objects of uploads that nobody can go on with. */
  readonly leftovers: readonly string[]
  readonly foreign: readonly string[]
}

export async function listUploads(
  objects: BucketObjects,
  layout: S3Layout,
  isResource: (id: string) => Promise<boolean>,
): Promise<ListedUploads> {
  const uploads = new Map<string, string[]>()
  const [links, places] = [new Set<string>(), new Set<string>()]
  const [leftovers, foreign]: [string[], string[]] = [[], []]
  for await (const { key } of objects.list(layout.uploads)) {
    const id = layout.uploadId(key)
    if (id === undefined) foreign.push(key)
    else uploads.set(id, [...(uploads.get(id) ?? []), key])
  }
  let open = 0
  for (const [id, keys] of uploads) {
    const named = (await isResource(id)) ? undefined : await linksOf(objects, layout, id)
    if (named === undefined) {
      leftovers.push(...keys)
      continue
    }
    open++
    for (const key of named) links.add(key)
    for (const key of keys) {
      if (!key.endsWith('.json') || key === layout.uploadRecord(id)) continue
      const place = await placeOf(objects, key)
      if (place !== undefined) places.add(place)
    }
  }
  return { open, links, places, leftovers, foreign }
}

async function linksOf(objects: BucketObjects, layout: S3Layout, id: string): Promise<readonly string[] | undefined> {
  const text = (await objects.readText(layout.uploadRecord(id)))?.text
  if (text === undefined) return undefined
  try {
    const { owners, files } = parseUpload(id, text)
    return files.map(({ digest }) => layout.link(namespaceOf(owners), digest))
  } catch {
    // Nobody can send to one that cannot be read.
    return undefined
  }
}

async function placeOf(objects: BucketObjects, key: string): Promise<string | undefined> {
  const text = (await objects.readText(key))?.text
  try {
    return text === undefined ? undefined : parseProgress(text).at
  } catch {
    // Nothing goes on from there: the bytes are sent again.
    return undefined
  }
}
