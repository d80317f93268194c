/** The writer of one blob of an upload: its part outlives a broken transfer, its digest decides. */
import { type Digest, formatBytes, type StagedFile, SupercargoError } from '@supercargo/protocol'
import type { OpenUpload } from './open-upload.ts'
import type { Part } from './part-writer.ts'
import type { BlobWriter } from './store.ts'
import { fromStorageError } from './store-error.ts'

export interface UploadBlobWriterOptions {
  readonly upload: OpenUpload
  readonly file: StagedFile
  readonly part: Part
  readonly now: () => number
  /** Puts the durable part to its place. */
  readonly publish: () => Promise<void>
  /** Told when somebody else ends the writer. */
  readonly onInterrupt?: ((reason: SupercargoError) => void) | undefined
}

export class UploadBlobWriter implements BlobWriter {
  readonly offset: number
  readonly #options: UploadBlobWriterOptions
  #ending: Promise<unknown> | undefined
  #interrupted: SupercargoError | undefined

  constructor(options: UploadBlobWriterOptions) {
    this.#options = options
    this.offset = options.part.sizeBytes
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    const { upload, part, now } = this.#options
    if (this.#interrupted !== undefined) return Promise.reject(this.#interrupted)
    upload.activeAtMs = now()
    return part.write(chunk)
  }

  async commit(): Promise<{ digest: Digest; sizeBytes: number }> {
    await this.#end(async () => {
      const { part, publish, file } = this.#options
      try {
        await part.finish((digest, sizeBytes) => check(file, digest, sizeBytes))
        await publish()
      } catch (error) {
        await part.discard().catch(() => undefined)
        throw fromStorageError(error, `cannot store ${file.digest}`)
      }
    })
    return { digest: this.#options.file.digest, sizeBytes: this.#options.file.sizeBytes }
  }

  async suspend(): Promise<number> {
    return this.#end(() => this.#keep())
  }

  async abort(): Promise<void> {
    this.#ending ??= this.#options.part.discard().finally(() => this.#leave())
    // A commit or suspension that failed has dropped the bytes, too.
    await this.#ending.catch(() => undefined)
  }

  /** The upload or the store ends. What was written stays. Resolves when nothing more will be. */
  interrupt(error: SupercargoError): Promise<void> {
    return this.#stop(error, () => this.#options.part.interrupt(error))
  }

  giveWay(error: SupercargoError): Promise<void> {
    return this.#stop(error, () => this.#keep())
  }

  async #stop(error: SupercargoError, work: () => Promise<unknown>): Promise<void> {
    if (this.#ending === undefined) {
      this.#interrupted = error
      this.#ending = work().finally(() => this.#leave())
      this.#options.onInterrupt?.(error)
    }
    // A commit or suspension that has begun comes to its own end, good or bad.
    await this.#ending.catch(() => undefined)
  }

  async #keep(): Promise<number> {
    const { part, file } = this.#options
    try {
      return await part.suspend()
    } catch (error) {
      await part.discard().catch(() => undefined)
      throw fromStorageError(error, `cannot keep the bytes of ${file.digest}`)
    }
  }

  async #end<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#interrupted !== undefined) throw this.#interrupted
    if (this.#ending !== undefined)
      throw new SupercargoError('internal', 'writer-ended', 'this transfer has ended already')
    const ending = work().finally(() => this.#leave())
    this.#ending = ending
    return ending
  }

  #leave(): void {
    const { upload, file } = this.#options
    if (upload.writers.get(file.digest) === this) upload.writers.delete(file.digest)
  }
}

/** The writer of a blob that is there already: takes no byte, and its commit is done. */
export function completeWriter(file: StagedFile): BlobWriter {
  return {
    offset: file.sizeBytes,
    write: (chunk) => (chunk.length === 0 ? undefined : Promise.reject(blobTooLong(file))),
    commit: async () => ({ digest: file.digest, sizeBytes: file.sizeBytes }),
    suspend: async () => file.sizeBytes,
    abort: async () => undefined,
  }
}

export function blobTooLong(file: StagedFile): SupercargoError {
  return new SupercargoError(
    'tooLarge',
    'blob-too-long',
    `more than the declared ${formatBytes(file.sizeBytes)} came of ${file.digest}`,
    {
      context: { expectedBytes: file.sizeBytes },
    },
  )
}

function check(file: StagedFile, digest: Digest, sizeBytes: number): void {
  if (sizeBytes < file.sizeBytes) {
    throw new SupercargoError(
      'invalid',
      'blob-too-short',
      `only ${formatBytes(sizeBytes)} of ${formatBytes(file.sizeBytes)} came of ${file.digest}`,
      {
        context: { sizeBytes, expectedBytes: file.sizeBytes },
      },
    )
  }
  if (digest !== file.digest) {
    throw new SupercargoError('corrupt', 'digest-mismatch', `the bytes have the digest ${digest}, not ${file.digest}`, {
      hint: 'the file changed while it was staged, or the transfer damaged it; stage again',
    })
  }
}
