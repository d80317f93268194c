/**
 * SHA-256 of files on a worker thread, so that hashing and moving bytes use two cores. The worker reads what was written
 * from the page cache: nothing is copied between threads, and a resumed file is hashed from its first byte.
 */
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
import { type Digest, digestOf, type SupercargoError } from '@supercargo/protocol'
import { abortReason } from './clock.ts'
import { fromFileSystemError } from './file-system-error.ts'
import { nodeThreads } from './node-modules.ts'

/** A file that is being written and hashed behind the writer. */
export interface FollowedFile {
  /** Tells that all bytes before `position` are written. Cheap; call it as often as you like. */
  advance(position: number): void
  /** The digest of the first `sizeBytes` bytes. Rejects with kind `corrupt` when the file is shorter. */
  finish(sizeBytes: number): Promise<Digest>
  /** Gives up. */
  abandon(): void
}

interface Reply {
  id: number
  hex?: string
  error?: { message: string; code: string | undefined }
}

/** How far the writer runs ahead before the worker is told: enough to make messages rare, little enough to stay in the cache. */
const adviceBytes = 4 << 20
/** One uninterrupted stretch of hashing a whole file, so that several files share the thread. */
const stretchBytes = 32 << 20
/** A file that is hashed at once where one may: some milliseconds at most. */
const atOnceBytes = 1 << 20

export interface HasherOptions {
  /**
   * So many bytes of whole files, none of them large, are hashed in the caller's thread before another one is started: that
   * costs as much as hashing 50 MiB. For whoever has nothing else to do meanwhile; 0 without it.
   */
  readonly hereBytesMax?: number
}

export class Hasher {
  #worker: Worker | undefined
  #hereBytes: number
  #nextId = 1
  readonly #waiting = new Map<
    number,
    { path: string; resolve: (hex: string | undefined) => void; reject: (error: SupercargoError) => void }
  >()

  constructor({ hereBytesMax = 0 }: HasherOptions = {}) {
    this.#hereBytes = hereBytesMax
  }

  /** Hashes a whole file. `onBytes` hears of progress in steps. */
  async hashFile(
    path: string,
    sizeBytes: number,
    signal?: AbortSignal,
    onBytes?: (bytes: number) => void,
  ): Promise<Digest> {
    if (this.#worker === undefined && sizeBytes <= Math.min(atOnceBytes, this.#hereBytes)) {
      if (signal?.aborted) throw abortReason(signal)
      this.#hereBytes -= sizeBytes
      const digest = hashHere(path, sizeBytes)
      onBytes?.(sizeBytes)
      return digest
    }
    const id = this.#nextId++
    try {
      for (let position = 0; position < sizeBytes; position += stretchBytes) {
        if (signal?.aborted) throw abortReason(signal)
        const end = Math.min(sizeBytes, position + stretchBytes)
        if (end === sizeBytes) break
        await this.#ask(id, path, { to: end, reply: true })
        onBytes?.(end - position)
      }
      const hex = await this.#ask(id, path, { to: sizeBytes, finish: true, reply: true })
      onBytes?.(sizeBytes === 0 ? 0 : sizeBytes - Math.floor((sizeBytes - 1) / stretchBytes) * stretchBytes)
      return digestOf(hex!)
    } catch (error) {
      this.#abandon(id, path)
      throw error
    }
  }

  /** Hashes a file while it is written. */
  follow(path: string): FollowedFile {
    const id = this.#nextId++
    let told = 0
    return {
      advance: (position) => {
        if (position - told < adviceBytes) return
        told = position
        this.#post({ id, path, to: position })
      },
      finish: async (sizeBytes) => digestOf((await this.#ask(id, path, { to: sizeBytes, finish: true, reply: true }))!),
      abandon: () => this.#abandon(id, path),
    }
  }

  /** Ends the thread. Whoever still waits is rejected. */
  async close(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await worker?.terminate()
    this.#failAll(new Error('the hasher was closed'))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #ask(id: number, path: string, message: object): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { path, resolve, reject })
      this.#start().ref()
      this.#post({ id, path, ...message })
    })
  }

  #post(message: object): void {
    this.#start().postMessage(message)
  }

  /** Only a thread that runs can hold the file open; a closed hasher must not start another. */
  #abandon(id: number, path: string): void {
    this.#worker?.postMessage({ id, path, abandon: true })
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker
    const worker = new (nodeThreads().Worker)(`(${hashThread.toString()})()`, {
      eval: true,
      name: 'supercargo-hasher',
      resourceLimits: { maxOldGenerationSizeMb: 32 },
    })
    worker.on('message', (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id)
      if (waiting === undefined) return
      this.#waiting.delete(reply.id)
      if (this.#waiting.size === 0) worker.unref()
      if (reply.error === undefined) waiting.resolve(reply.hex)
      else
        waiting.reject(
          fromFileSystemError(
            Object.assign(new Error(reply.error.message), { code: reply.error.code }),
            `cannot read ${waiting.path}`,
          ),
        )
    })
    worker.on('error', (error) => {
      this.#worker = undefined
      this.#failAll(error)
    })
    worker.unref()
    this.#worker = worker
    return worker
  }

  #failAll(error: unknown): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { path, reject } of waiting) reject(fromFileSystemError(error, `cannot hash ${path}`))
  }
}

function hashHere(path: string, sizeBytes: number): Digest {
  const bytes = Buffer.allocUnsafe(sizeBytes)
  try {
    const fd = openSync(path, 'r')
    try {
      for (let position = 0; position < sizeBytes; ) {
        const read = readSync(fd, bytes, position, sizeBytes - position, position)
        if (read === 0) throw Object.assign(new Error('the file is shorter than expected'), { code: 'ESHORT' })
        position += read
      }
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    throw fromFileSystemError(error, `cannot read ${path}`)
  }
  return digestOf(createHash('sha256').update(bytes).digest('hex'))
}

/** Runs in the worker. Self-contained: it is sent as text, so that source and bundle need no second file. */
function hashThread(): void {
  const { createHash } = process.getBuiltinModule('node:crypto')
  const { openSync, readSync, closeSync } = process.getBuiltinModule('node:fs')
  const port = process.getBuiltinModule('node:worker_threads').parentPort!
  const files = new Map<number, { fd: number; position: number; hash: ReturnType<typeof createHash> }>()
  const buffer = Buffer.allocUnsafeSlow(1 << 20)
  port.on(
    'message',
    (ask: { id: number; path: string; to?: number; finish?: boolean; reply?: boolean; abandon?: boolean }) => {
      let file = files.get(ask.id)
      try {
        if (ask.abandon !== true) {
          if (file === undefined) {
            file = { fd: openSync(ask.path, 'r'), position: 0, hash: createHash('sha256') }
            files.set(ask.id, file)
          }
          while (file.position < ask.to!) {
            const read = readSync(file.fd, buffer, 0, Math.min(buffer.length, ask.to! - file.position), file.position)
            if (read === 0) throw Object.assign(new Error('the file is shorter than expected'), { code: 'ESHORT' })
            file.hash.update(buffer.subarray(0, read))
            file.position += read
          }
          const hex = ask.finish === true ? file.hash.digest('hex') : undefined
          if (ask.reply === true) port.postMessage({ id: ask.id, hex })
        }
      } catch (error) {
        const failure = error as NodeJS.ErrnoException
        if (ask.reply === true)
          port.postMessage({ id: ask.id, error: { message: failure.message, code: failure.code } })
        if (ask.finish !== true) return
      }
      if ((ask.finish === true || ask.abandon === true) && file !== undefined) {
        files.delete(ask.id)
        closeSync(file.fd)
      }
    },
  )
}
