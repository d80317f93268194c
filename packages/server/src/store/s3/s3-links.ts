/** Links: the one object that says of a digest where its bytes are. It changes by comparison only, so that replicas never cross. */
import { type Digest, emptyDigest, type StagedFile, SupercargoError } from '@supercargo/protocol'
import { forEachLimited } from '@supercargo/transfer'
import type { BucketObjects } from '@supercargo/transfer/s3'
import { z } from 'zod'
import { newResourceId } from '../store-parts.ts'
import type { S3Layout } from './s3-layout.ts'

/**
 * `kept` is a blob. `doomed` is one that no record names: whoever wants to rely on it makes it `kept` again, and whoever
 * wants to delete it makes it `gone` first, which only one of the two can do.
 */
const linkSchema = z.object({
  version: z.literal(1),
  state: z.enum(['kept', 'doomed', 'gone']),
  at: z.string().min(1),
  sizeBytes: z.int().nonnegative(),
  nonce: z.string(),
})

export type Link = Omit<z.infer<typeof linkSchema>, 'version' | 'nonce'>

interface FoundLink {
  readonly link: Link
  readonly etag: string
}

/** A commit that looked at its blobs longer ago than this looks again: a part of `doomMs`, requests and their repetitions included. */
export const trustMs = 20_000

const parallelLooks = 16
const attemptsMax = 10

export class S3Links {
  readonly #objects: BucketObjects
  readonly #layout: S3Layout

  constructor(objects: BucketObjects, layout: S3Layout) {
    this.#objects = objects
    this.#layout = layout
  }

  /** The link as it is, whatever its state. */
  async find(namespace: string, digest: Digest): Promise<FoundLink | undefined> {
    const key = this.#layout.link(namespace, digest)
    const found = await this.#objects.readText(key)
    if (found === undefined) return undefined
    try {
      const { version: _, nonce: __, ...link } = linkSchema.parse(JSON.parse(found.text))
      return { link, etag: found.etag }
    } catch (error) {
      throw new SupercargoError('corrupt', 'damaged-link', `the link of ${digest} is damaged`, {
        cause: error,
        hint: `delete the object ${key}, and stage what needs it again`,
      })
    }
  }

  /** Whether a blob is there with all its bytes. From here on it stays for as long as a commit trusts its look. */
  async has(namespace: string, digest: Digest, sizeBytes: number): Promise<boolean> {
    if (digest === emptyDigest) return true
    for (let attempt = 1; ; attempt++) {
      const found = await this.find(namespace, digest)
      if (found === undefined || found.link.state === 'gone') return false
      const isWhole = found.link.sizeBytes === sizeBytes && (await this.#objects.size(found.link.at)) === sizeBytes
      if (isWhole && found.link.state === 'kept') return true
      // What has lost its bytes makes room for others.
      const state = isWhole ? 'kept' : 'gone'
      if (await this.change(namespace, digest, found, state)) return isWhole
      if (attempt === attemptsMax) throw contended(digest)
    }
  }

  /** The digests of these files whose blobs are not there, each once. */
  async missing(namespace: string, files: Iterable<StagedFile>): Promise<Digest[]> {
    const sizes = new Map<Digest, number>()
    for (const file of files) sizes.set(file.digest, file.sizeBytes)
    const absent = new Set<Digest>()
    await forEachLimited(sizes, parallelLooks, async ([digest, sizeBytes]) => {
      if (!(await this.has(namespace, digest, sizeBytes))) absent.add(digest)
    })
    return [...sizes.keys()].filter((digest) => absent.has(digest))
  }

  /**
   * Makes bytes, whose digest was verified, the blob. When there is one already they are removed. Resolves to the bytes by
   * which the namespace grew.
   */
  async put(namespace: string, digest: Digest, at: string, sizeBytes: number): Promise<number> {
    const key = this.#layout.link(namespace, digest)
    const text = textOf({ state: 'kept', at, sizeBytes })
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      if ((await this.#objects.write(key, text, { absent: true })) !== undefined) return sizeBytes
      const found = await this.find(namespace, digest)
      if (found?.link.at === at && found.link.state !== 'gone') return sizeBytes
      if (found?.link.state === 'gone' && (await this.#objects.write(key, text, { etag: found.etag })) !== undefined)
        return sizeBytes
      if (found !== undefined && (await this.has(namespace, digest, sizeBytes))) {
        // What stays when this fails, a sweep removes.
        await this.#objects.remove(at).catch(() => undefined)
        return 0
      }
    }
    throw contended(digest)
  }

  /** Changes the state of a link unless it has changed meanwhile: then false. */
  async change(namespace: string, digest: Digest, { link, etag }: FoundLink, state: Link['state']): Promise<boolean> {
    const key = this.#layout.link(namespace, digest)
    return (await this.#objects.write(key, textOf({ ...link, state }), { etag })) !== undefined
  }
}

/** No two writes are alike, so that a repeated one finds out whether the first arrived. */
function textOf(link: Link): string {
  return JSON.stringify({ version: 1, ...link, nonce: newResourceId() })
}

function contended(digest: Digest): SupercargoError {
  const says = `too many change the blob ${digest} at the same time`
  return new SupercargoError('unavailable', 'store-contended', says, { hint: 'try again in a moment' })
}
