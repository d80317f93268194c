/** A disk store in a directory of its own for tests: it can be killed, damaged, and asked what it left behind. */
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readdir, readFile, readlink, rm, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Digest, digestHex, namespaceOf } from '@supercargo/protocol'
import { scanBlobs } from '../store/blob-scan.ts'
import { createDiskStore, type DiskStore, type DiskStoreOptions } from '../store/disk-store.ts'
import type { ResourceRecord } from '../store/store.ts'
import { FaultyFileSystem } from './faulty-file-system.ts'
import type { StoreHarness } from './store-contract.ts'

export interface DiskHarness extends StoreHarness {
  readonly directory: string
  /** The file system of the store that was opened last. */
  readonly disk: FaultyFileSystem
  openDisk(setting: Omit<DiskStoreOptions, 'directory' | 'fs'>): Promise<DiskStore>
}

/** `parent` defaults to the real disk; loops that open hundreds of stores take `memoryDirectory`, where a sync costs nothing. */
export async function diskHarness(parent = tmpdir()): Promise<DiskHarness> {
  const directory = await mkdtemp(join(parent, 'supercargo-store-'))
  const stores = new Map<unknown, { store: DiskStore; disk: FaultyFileSystem }>()
  let disk = new FaultyFileSystem()

  async function openDisk(setting: Omit<DiskStoreOptions, 'directory' | 'fs'>): Promise<DiskStore> {
    const store = await createDiskStore({ ...setting, directory, fs: disk.system })
    stores.set(store, { store, disk })
    return store
  }

  return {
    aheadBytesMax: 4 * 2 ** 20,
    directory,
    get disk() {
      return disk
    },
    openDisk,
    open: openDisk,
    crash: async (store) => {
      disk.die()
      await store.close()
      disk = new FaultyFileSystem()
    },
    damage: async (record, path, how) => {
      const file = record.files.find((candidate) => candidate.path === path)!
      const blob = blobPath(directory, namespaceOf(record.owners), file.digest)
      await chmod(blob, 0o600)
      if (how === 'delete') await unlink(blob)
      else await truncate(blob, file.sizeBytes - 1)
    },
    damageRecord: (id) => writeFile(join(directory, 'resources', `${id}.json`), '{"version":1'),
    leftovers: (store) => sweepAndFindLeftovers(directory, stores.get(store)!.store),
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}

/** A directory in memory where the system has one. */
export const memoryDirectory = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

export function blobPath(directory: string, namespace: string, digest: Digest): string {
  const hex = digestHex(digest)
  return join(directory, 'blobs', namespace, hex.slice(0, 2), hex)
}

/** Does what a sweep of the collector does, then lists what is there without a reason. */
async function sweepAndFindLeftovers(directory: string, store: DiskStore): Promise<string[]> {
  const { maintenance } = store
  await maintenance.sweepLeftovers()
  const { epoch } = await maintenance.loadState()
  const named = new Set<string>()
  for (const name of await readdir(join(directory, 'resources'))) {
    const record: ResourceRecord | undefined = await readFile(join(directory, 'resources', name), 'utf8')
      .then((text) => JSON.parse(text))
      .catch(() => undefined)
    for (const file of record?.files ?? []) named.add(blobPath(directory, namespaceOf(record!.owners), file.digest))
  }
  for await (const { namespace, digests } of scanBlobs(directory)) {
    const unnamed = digests.filter((digest) => !named.has(blobPath(directory, namespace, digest)))
    await maintenance.removeBlobs(namespace, unnamed, maintenance.sequence(), epoch)
  }
  const uploads = maintenance.uploads().map(({ id }) => join(directory, 'incoming', id))
  const paths = (await readdir(directory, { recursive: true })).map((name) => join(directory, name))
  const files = paths.filter(
    (path) =>
      !/\/(FORMAT|LOCK|LOCK-journal|usage\.json|collector\.state|incoming|blobs|resources)$/.test(path) &&
      !/\/resources\/[0-9a-z]{26}\.json$/.test(path),
  )
  const namedPaths = [...named]
  const unexplained = files.filter(
    (path) =>
      !namedPaths.some((blob) => blob === path || blob.startsWith(`${path}/`)) &&
      !uploads.some((upload) => path.startsWith(upload)),
  )
  return [...unexplained, ...(await descriptors(directory))]
}

/** Open descriptors of this process below the directory, except the lock's. */
export async function descriptors(directory: string): Promise<string[]> {
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  )
  return links
    .filter((link) => link.startsWith(directory) && !link.includes('/LOCK'))
    .map((link) => `descriptor of ${link}`)
}
