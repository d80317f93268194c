/** A temporary root with a plan for it, and what a test wants to know of both. */
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Digest, type Plan, planSchema } from '@supercargo/protocol'
import { type LocalizeOptions, localize } from '../localize.ts'
import type { Report } from '../report.ts'

export interface Workbench {
  /** Holds the root and whatever a test puts beside it. */
  readonly directory: string
  readonly root: string
  plan(items: readonly object[], more?: object): Plan
  run(items: readonly object[], more?: object, options?: LocalizeOptions): Promise<Report>
  read(path: string): Promise<string>
  /** Paths of all published files, sorted, with their text. */
  files(): Promise<Record<string, string>>
  [Symbol.asyncDispose](): Promise<void>
}

export async function workbench(): Promise<Workbench> {
  const directory = await mkdtemp(join(tmpdir(), 'supercargo-localizer-'))
  const root = join(directory, 'root')
  const plan = (items: readonly object[], more: object = {}): Plan =>
    planSchema.parse({ version: 1, root, items, ...more })
  const read = (path: string): Promise<string> => readFile(join(root, path), 'latin1')
  return {
    directory,
    root,
    plan,
    run: (items, more, options) => localize(plan(items, more), options),
    read,
    files: async () => {
      const found: Record<string, string> = {}
      const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
      for (const entry of entries) {
        const path = join(entry.parentPath, entry.name).slice(root.length + 1)
        if (!entry.isDirectory() && !path.startsWith('.supercargo')) found[path] = await read(path)
      }
      return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)))
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

/** Items that come from files beside the root. */
export async function sources(bench: Workbench, texts: Record<string, string>): Promise<object[]> {
  const items: object[] = []
  for (const [to, text] of Object.entries(texts)) {
    const path = join(bench.directory, `source-${to.replaceAll('/', '-')}-${text.slice(0, 20)}`)
    await writeFile(path, text)
    items.push({ uri: `file://${path}`, to })
  }
  return items
}

export function sha256(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Bytes that differ at every place, the same in every run. */
export function bytesOf(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  let state = seed >>> 0 || 1
  for (let index = 0; index < length; index++) {
    state ^= state << 13
    state >>>= 0
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    bytes[index] = state & 0xff
  }
  return bytes
}
