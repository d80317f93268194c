/** Reads every blob of a disk store and compares it with its name: one at a time, with one buffer. */
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { isErrno } from '@supercargo/transfer'
import { type DiskLayout, isHex, isNamespace } from './disk-layout.ts'
import { type FileSystem, syncDirectory } from './file-system.ts'
import type { StoreFault } from './store-fault.ts'
import { makeDirectories } from './store-format.ts'

/** `<namespace>/<hex>` of every blob that is named, with its size: undefined where it may lack, -1 where records disagree. */
export type NamedBlobs = Map<string, number | undefined>

/** Whom it concerns is not known yet. */
export interface BadBlob extends Omit<StoreFault, 'resourceIds'> {
  /** What it has, where that is all that is wrong. */
  readonly sizeBytes?: number
}

export interface ScrubProgress {
  readonly bytes: number
  readonly bytesTotal: number
}

export interface ScrubOptions {
  readonly system: FileSystem
  readonly layout: DiskLayout
  readonly named: NamedBlobs
  readonly signal: AbortSignal
  readonly onProgress?: ((progress: ScrubProgress) => void) | undefined
}

export interface ScrubResult {
  readonly blobs: number
  readonly bytes: number
  /** By the key of the blob. */
  readonly bad: ReadonlyMap<string, BadBlob>
  readonly orphans: Set<string>
  readonly foreign: readonly string[]
}

interface FoundBlob {
  readonly key: string
  readonly path: string
  readonly sizeBytes: number
}

const bufferBytes = 1 << 20

export async function checkBlobs(options: ScrubOptions): Promise<ScrubResult> {
  const { system, layout, named, signal, onProgress } = options
  const foreign: string[] = []
  const bad = new Map<string, BadBlob>()
  const orphans = new Set<string>()
  const unseen = new Set([...named].filter(([, sizeBytes]) => sizeBytes !== undefined).map(([key]) => key))
  let bytesTotal = 0
  for await (const { sizeBytes } of blobsOf(options, [])) bytesTotal += sizeBytes
  const buffer = Buffer.allocUnsafe(bufferBytes)
  let blobs = 0
  let bytes = 0
  for await (const { key, path, sizeBytes } of blobsOf(options, foreign)) {
    const at = path.slice(layout.directory.length + 1)
    let read = 0
    const onRead = (count: number): void => {
      signal.throwIfAborted()
      read += count
      onProgress?.({ bytes: bytes + read, bytesTotal })
    }
    const fault = await faultOf(system, path, key, named.get(key), { buffer, onRead })
    if (fault === 'gone') continue
    blobs++
    bytes += sizeBytes
    unseen.delete(key)
    if (fault !== undefined) bad.set(key, { ...fault, at })
    else if (!named.has(key)) orphans.add(key)
  }
  for (const key of unseen) {
    const [namespace = '', hex = ''] = key.split('/')
    const path = layout.blob(namespace, `sha256:${hex}`)
    // It may have come meanwhile, under another resource.
    if ((await sizeOf(system, path)) !== undefined) continue
    bad.set(key, { code: 'missing-blob', at: path.slice(layout.directory.length + 1), detail: 'it is not there' })
  }
  return { blobs, bytes, bad, orphans, foreign }
}

/** Moves a blob aside by one rename; resolves to where it is now, below the store's directory. Undefined when it has gone. */
export async function quarantineBlob(system: FileSystem, layout: DiskLayout, key: string): Promise<string | undefined> {
  const [namespace = '', hex = ''] = key.split('/')
  const digest = `sha256:${hex}` as const
  const home = `${layout.quarantine}/${namespace}`
  await makeDirectories(system, home)
  // What was put there before is evidence, too.
  const taken = new Set(await system.list(home))
  let name = hex
  for (let again = 2; taken.has(name); again++) name = `${hex}-${again}`
  try {
    await system.rename(layout.blob(namespace, digest), `${home}/${name}`)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
  await syncDirectory(system, home)
  await syncDirectory(system, layout.shard(namespace, digest))
  return `${home}/${name}`.slice(layout.directory.length + 1)
}

async function* blobsOf({ system, layout, signal }: ScrubOptions, foreign: string[]): AsyncGenerator<FoundBlob> {
  const strange = (path: string): void => void foreign.push(path.slice(layout.directory.length + 1))
  for (const namespace of await listed(system, layout.blobs)) {
    const home = `${layout.blobs}/${namespace}`
    if (!isNamespace(namespace)) strange(home)
    else {
      for (const shard of await listed(system, home)) {
        if (!/^[0-9a-f]{2}$/.test(shard)) {
          strange(`${home}/${shard}`)
          continue
        }
        for (const hex of await listed(system, `${home}/${shard}`)) {
          signal.throwIfAborted()
          const path = `${home}/${shard}/${hex}`
          const sizeBytes = isHex(hex) && hex.startsWith(shard) ? await sizeOf(system, path) : undefined
          if (sizeBytes !== undefined) yield { key: `${namespace}/${hex}`, path, sizeBytes }
          else if (!isHex(hex) || !hex.startsWith(shard)) strange(path)
        }
      }
    }
  }
}

/** Undefined for a good one. A file that cannot be read is the fault that this is for, so it ends nothing. */
async function faultOf(
  system: FileSystem,
  path: string,
  key: string,
  expectedBytes: number | undefined,
  reading: { readonly buffer: Buffer; readonly onRead: (bytes: number) => void },
): Promise<Omit<BadBlob, 'at'> | 'gone' | undefined> {
  let sizeBytes = 0
  let hex: string
  try {
    const fd = await system.open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const hash = createHash('sha256')
      for (;;) {
        const count = await system.read(fd, reading.buffer, 0, reading.buffer.length, sizeBytes)
        if (count === 0) break
        hash.update(reading.buffer.subarray(0, count))
        sizeBytes += count
        reading.onRead(count)
      }
      hex = hash.digest('hex')
    } finally {
      await system.close(fd)
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 'gone'
    const { code, syscall } = error as NodeJS.ErrnoException
    if (code === undefined || (syscall === undefined && !/^E[A-Z]+$/.test(code))) throw error
    return { code: 'unreadable-blob', detail: `it cannot be read: ${code}` }
  }
  if (hex !== key.split('/')[1])
    return { code: 'corrupt-blob', detail: `it has ${sizeBytes} bytes with the digest sha256:${hex}` }
  if (expectedBytes === undefined || expectedBytes === sizeBytes) return undefined
  return {
    code: 'wrong-size',
    detail: `it has ${sizeBytes} bytes, as its digest says, and a record is wrong`,
    sizeBytes,
  }
}

async function listed(system: FileSystem, path: string): Promise<readonly string[]> {
  try {
    return await system.list(path)
  } catch (error) {
    // It went while we looked, or it is a foreign file.
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}

/** Undefined when there is no file of this name. */
async function sizeOf(system: FileSystem, path: string): Promise<number | undefined> {
  try {
    const facts = await system.stat(path)
    return facts.file ? facts.sizeBytes : undefined
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}
