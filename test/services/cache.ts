/** The cache of everything that was fetched or built: one directory per recipe, complete or absent, built by one process at a time. */
import { createHash } from 'node:crypto'
import { lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, statfs, utimes, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import { lock } from './kernel-lock.ts'
import { unmountBelow } from './mounts.ts'
import type { Progress } from './service.ts'
import { endProcessesOf } from './site-processes.ts'

/** How one entry of the cache comes to be. */
export interface Recipe {
  readonly name: string
  /** Everything that decides what the entry holds: versions, lock files, the recipe's own edition. */
  readonly key: readonly string[]
  /** How long it takes from nothing, for people who wait. */
  readonly takes: string
  readonly diskBytes: number
  /** Its key changes with every edit of the sources: entries that nobody has used for a while go when a new one is made. */
  readonly followsSources?: boolean
  /** Builds into an empty directory. A failure leaves nothing. */
  build(directory: string, work: BuildWork): Promise<void>
}

export interface BuildWork extends Progress {
  /** Output of the programs that build; kept after a failure. */
  readonly logFile: string
}

interface Marker {
  readonly name: string
  readonly key: readonly string[]
  readonly seconds: number
  readonly files: number
  readonly bytes: number
}

const markerName = '.complete.json'
const makingPrefix = '.making-'
const unusedMs = 2 * 3600_000

/** `SUPERCARGO_TEST_CACHE`, or a folder of its own in the user's cache. */
export function cacheDirectory(): string {
  const chosen = process.env.SUPERCARGO_TEST_CACHE
  if (chosen !== undefined && chosen !== '') return resolve(chosen)
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'supercargo-test')
}

/** Where the entry of this recipe is or will be. */
export function entryPath(recipe: Pick<Recipe, 'name' | 'key'>): string {
  const key = createHash('sha256').update(JSON.stringify(recipe.key)).digest('hex').slice(0, 12)
  return join(cacheDirectory(), `${recipe.name}-${key}`)
}

/** Whether the entry is there and whole. */
export async function isCached(recipe: Pick<Recipe, 'name' | 'key'>): Promise<boolean> {
  return isComplete(entryPath(recipe))
}

/** The directory of the entry; builds it first when it is not there or not whole. */
export async function fromCache(recipe: Recipe, progress: Progress): Promise<string> {
  const entry = entryPath(recipe)
  if (await isComplete(entry)) return await used(entry)
  if (progress.cachedOnly === true) throw notProvisioned(recipe.name)
  await mkdir(cacheDirectory(), { recursive: true })
  const held = await lock(entry, progress.signal, () =>
    progress.say(`waiting for another run that makes ${recipe.name}`),
  )
  try {
    if (await isComplete(entry)) return await used(entry)
    await clearAway(recipe, entry, progress)
    if (recipe.followsSources === true) await dropUnused(recipe)
    await requireSpace(recipe)
    return await build(recipe, entry, progress)
  } finally {
    await held.release()
  }
}

export function notProvisioned(name: string): SupercargoError {
  return new SupercargoError('notFound', 'not-provisioned', `${name} is not in the cache ${cacheDirectory()}`, {
    hint: 'npm run services -- provision gets and builds everything, once.',
  })
}

async function build(recipe: Recipe, entry: string, progress: Progress): Promise<string> {
  progress.say(`making ${recipe.name} (${recipe.takes})`)
  const began = performance.now()
  const directory = await mkdtemp(buildPrefix(entry))
  const logFile = join(cacheDirectory(), `${recipe.name}.log`)
  try {
    await rm(logFile, { force: true })
    await recipe.build(directory, { ...progress, logFile })
    progress.signal.throwIfAborted()
    const seconds = Math.round((performance.now() - began) / 100) / 10
    const marker: Marker = { name: recipe.name, key: recipe.key, seconds, ...(await measure(directory)) }
    await writeFile(join(directory, markerName), JSON.stringify(marker, undefined, 2))
    await rename(directory, entry)
    progress.say(`made ${recipe.name} in ${seconds} s, ${Math.round(marker.bytes / 1e6)} MB`)
    return entry
  } catch (cause) {
    await endProcessesOf(directory, 1000)
    unmountBelow(directory)
    await rm(directory, { recursive: true, force: true })
    if ((cause as NodeJS.ErrnoException).code === 'ENOSPC') throw diskFull(recipe, cause)
    throw cause
  }
}

/** A killed build leaves processes, mounts and a directory; an entry without its marker, or with files missing, was half written. */
async function clearAway(recipe: Recipe, entry: string, progress: Progress): Promise<void> {
  for (const name of await readdir(cacheDirectory())) {
    const path = join(cacheDirectory(), name)
    if (path !== entry && !path.startsWith(buildPrefix(entry))) continue
    progress.say(`removing a half written ${recipe.name}`)
    await endProcessesOf(path, 1000)
    unmountBelow(path)
    await rm(path, { recursive: true, force: true })
  }
}

/** Another run may be reading an older entry at this moment, or making one, so what was used lately stays. */
async function dropUnused(recipe: Recipe): Promise<void> {
  for (const name of await readdir(cacheDirectory())) {
    const making = name.startsWith(`${makingPrefix}${recipe.name}-`)
    if (!making && name.replace(/-[0-9a-f]{12}$/, '') !== recipe.name) continue
    const path = join(cacheDirectory(), name)
    const used = await stat(making ? path : join(path, markerName)).catch(() => undefined)
    if (used === undefined || Date.now() - used.mtimeMs > unusedMs) await rm(path, { recursive: true, force: true })
  }
}

async function used(entry: string): Promise<string> {
  await utimes(join(entry, markerName), new Date(), new Date())
  return entry
}

/** With the key: another run may be making the entry of other sources at this moment. */
function buildPrefix(entry: string): string {
  return join(cacheDirectory(), `${makingPrefix}${basename(entry)}-`)
}

async function isComplete(entry: string): Promise<boolean> {
  let marker: Marker
  try {
    marker = JSON.parse(await readFile(join(entry, markerName), 'utf8')) as Marker
  } catch {
    // No marker, or a cut one: the entry is not there or was half written.
    return false
  }
  const { files, bytes } = await measure(entry)
  return files === marker.files && bytes === marker.bytes
}

/** Counts files and their bytes without the marker, symbolic links as themselves. */
async function measure(directory: string): Promise<{ files: number; bytes: number }> {
  let files = 0
  let bytes = 0
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isDirectory() || entry.name === markerName) continue
    files++
    bytes += (await lstat(join(entry.parentPath, entry.name))).size
  }
  return { files, bytes }
}

async function requireSpace(recipe: Recipe): Promise<void> {
  const { bavail, bsize } = await statfs(cacheDirectory())
  if (bavail * bsize < recipe.diskBytes) throw diskFull(recipe, undefined, bavail * bsize)
}

function diskFull(recipe: Recipe, cause?: unknown, freeBytes?: number): SupercargoError {
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`
  const free = freeBytes === undefined ? '' : `, ${megabytes(freeBytes)} are free`
  return new SupercargoError(
    'exhausted',
    'disk-full',
    `the disk of ${cacheDirectory()} is too full to make ${recipe.name}: ${megabytes(recipe.diskBytes)} are needed${free}`,
    { cause, hint: 'Free some space, or point SUPERCARGO_TEST_CACHE at a larger disk.' },
  )
}
