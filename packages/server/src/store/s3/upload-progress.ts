/** How far a blob of an open upload has come, in the bucket: whichever replica is asked next goes on from there. */
import { type Digest, SupercargoError } from '@supercargo/protocol'
import type { BucketObjects } from '@supercargo/transfer/s3'
import { z } from 'zod'
import { superseded } from '../store-error.ts'
import { newResourceId } from '../store-parts.ts'
import type { S3Layout } from './s3-layout.ts'
import type { PartKeeper, PartProgress } from './s3-part.ts'

const progressSchema = z.object({
  version: z.literal(1),
  at: z.string().min(1),
  attempt: z.string().nullable(),
  etags: z.array(z.string()),
  partsBytes: z.int().nonnegative(),
  tail: z.object({ key: z.string().min(1), sizeBytes: z.int().nonnegative() }).nullable(),
  /** All bytes are there and verified; they wait for the commit because their namespace shares nothing. */
  done: z.boolean(),
})

export type UploadProgress = Omit<z.infer<typeof progressSchema>, 'version'>

export function keptBytes(progress: UploadProgress): number {
  return progress.partsBytes + (progress.tail?.sizeBytes ?? 0)
}

export async function readProgress(objects: BucketObjects, key: string): Promise<UploadProgress | undefined> {
  return (await find(objects, key))?.progress
}

export function parseProgress(text: string): UploadProgress {
  const { version: _, ...progress } = progressSchema.parse(JSON.parse(text))
  return progress
}

/** The progress of one blob as one writer sees it: who finds that another has written it meanwhile, was taken over. */
export class ProgressKeeper implements PartKeeper {
  readonly #objects: BucketObjects
  readonly #layout: S3Layout
  readonly #id: string
  readonly #digest: Digest
  readonly now: () => number
  #etag: string | undefined
  #tail: string | undefined

  private constructor(objects: BucketObjects, layout: S3Layout, id: string, digest: Digest, now: () => number) {
    this.#objects = objects
    this.#layout = layout
    this.#id = id
    this.#digest = digest
    this.now = now
  }

  static async open(
    { objects, layout }: { readonly objects: BucketObjects; readonly layout: S3Layout },
    id: string,
    digest: Digest,
    now: () => number,
  ): Promise<{ keeper: ProgressKeeper; progress: UploadProgress | undefined }> {
    const keeper = new ProgressKeeper(objects, layout, id, digest, now)
    const found = await find(objects, keeper.#key)
    keeper.#etag = found?.etag
    keeper.#tail = found?.progress.tail?.key
    return { keeper, progress: found?.progress }
  }

  tailKey(): string {
    return this.#layout.tail(this.#id, newResourceId())
  }

  async save(progress: PartProgress, done = false): Promise<void> {
    const text = JSON.stringify({ version: 1, ...progress, done })
    const condition = this.#etag === undefined ? ({ absent: true } as const) : { etag: this.#etag }
    const written = await this.#objects.write(this.#key, text, condition)
    if (written === undefined) {
      if (progress.tail !== null) await this.#objects.remove(progress.tail.key)
      throw superseded(this.#digest)
    }
    this.#etag = written
    const before = this.#tail
    this.#tail = progress.tail?.key
    if (before !== undefined && before !== this.#tail) await this.#objects.remove(before)
  }

  async drop(): Promise<void> {
    if (this.#etag !== undefined) await this.#objects.remove(this.#key)
    this.#etag = undefined
    if (this.#tail !== undefined) await this.#objects.remove(this.#tail)
    this.#tail = undefined
  }

  get #key(): string {
    return this.#layout.progress(this.#id, this.#digest)
  }
}

async function find(
  objects: BucketObjects,
  key: string,
): Promise<{ readonly progress: UploadProgress; readonly etag: string } | undefined> {
  const found = await objects.readText(key)
  if (found === undefined) return undefined
  try {
    return { progress: parseProgress(found.text), etag: found.etag }
  } catch (error) {
    throw new SupercargoError('corrupt', 'damaged-upload', 'what is kept of an unfinished upload is damaged', {
      cause: error,
      hint: 'abort the upload and stage again',
    })
  }
}
