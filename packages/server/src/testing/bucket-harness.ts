/** A store in a bucket for tests: it can be killed, damaged, and asked what it left behind. */
import { type Digest, digestOf, namespaceOf } from '@supercargo/protocol'
import type { BucketObjects } from '@supercargo/transfer/s3'
import { parseRecord, parseUpload } from '../store/record-file.ts'
import { S3Layout } from '../store/s3/s3-layout.ts'
import { S3Links } from '../store/s3/s3-links.ts'
import { createS3Store, type S3Store, type S3StoreOptions } from '../store/s3/s3-store.ts'
import { s3Survey } from '../store/s3/s3-survey.ts'
import { type FaultyBucket, faultyBucket } from './faulty-bucket.ts'
import type { StoreHarness } from './store-contract.ts'

export interface BucketHarness extends StoreHarness {
  /** What the store that was opened last talks to. */
  readonly bucket: FaultyBucket
  openS3(setting: Omit<S3StoreOptions, 'objects' | 'prefix'>): Promise<S3Store>
}

export function bucketHarness(objects: BucketObjects, prefix: string): BucketHarness {
  const layout = new S3Layout(prefix)
  const links = new S3Links(objects, layout)
  const settings = new Map<unknown, Omit<S3StoreOptions, 'objects' | 'prefix'>>()
  let bucket = faultyBucket(objects)

  async function openS3(setting: Omit<S3StoreOptions, 'objects' | 'prefix'>): Promise<S3Store> {
    const store = await createS3Store({ ...setting, objects: bucket.objects, prefix, quietMs: 0 })
    settings.set(store, setting)
    return store
  }

  return {
    aheadBytesMax: 16 * 2 ** 20 + 65_536,
    get bucket() {
      return bucket
    },
    openS3,
    open: openS3,
    crash: async (store) => {
      bucket.dieAt(1)
      await store.close()
      bucket = faultyBucket(objects)
    },
    damage: async (record, path, how) => {
      const file = record.files.find((candidate) => candidate.path === path)!
      const { link } = (await links.find(namespaceOf(record.owners), file.digest))!
      if (how === 'delete') await objects.remove(link.at)
      else await objects.write(link.at, Buffer.alloc(file.sizeBytes - 1))
    },
    damageRecord: async (id) => void (await objects.write(layout.record(id), '{"version":1')),
    leftovers: (store) => sweepAndFindLeftovers(objects, layout, store as S3Store, settings.get(store)!),
    remove: async () => {
      for await (const { key } of objects.list(layout.prefix)) await objects.remove(key)
    },
  }
}

/** Does what sweeps of the collector do, at once, then lists what is there without a reason. */
async function sweepAndFindLeftovers(
  objects: BucketObjects,
  layout: S3Layout,
  { maintenance }: S3Store,
  { clock }: Pick<S3StoreOptions, 'clock'>,
): Promise<string[]> {
  const survey = s3Survey(objects, layout, { clock, strayMs: 0 })
  const { epoch } = await maintenance.loadState()
  await maintenance.sweepAbandoned()
  await maintenance.sweepLeftovers()
  const named = new Set<string>()
  const ids = new Set<string>()
  for await (const { id } of survey.records()) {
    ids.add(id)
    const text = (await objects.readText(layout.record(id)))!.text
    try {
      const { owners, files } = parseRecord(id, text)
      for (const { digest } of files) named.add(layout.link(namespaceOf(owners), digest))
    } catch {
      // A record that a test damaged names nothing.
    }
  }
  const uploads = await survey.uploads()
  for (const { owners, files } of uploads.values())
    for (const { digest } of files) named.add(layout.link(namespaceOf(owners), digest))
  for await (const { namespace, digests } of survey.blobs()) {
    const unnamed = digests.filter((digest) => !named.has(layout.link(namespace, digest)))
    // Doomed, gone, and its link removed.
    for (const isSecondLook of [false, true, false])
      await maintenance.removeBlobs(namespace, unnamed, maintenance.sequence(), epoch, isSecondLook)
  }
  await survey.strays()
  await maintenance.removeObjects(await survey.strays(), epoch)
  return findLeftovers(objects, layout, named, ids)
}

async function findLeftovers(
  objects: BucketObjects,
  layout: S3Layout,
  named: ReadonlySet<string>,
  ids: ReadonlySet<string>,
): Promise<string[]> {
  const explained = new Set([layout.format, layout.epoch, layout.collector, layout.usage, ...named])
  const links = new S3Links(objects, layout)
  for (const key of named) {
    const linked = layout.linked(key)!
    const found = await links.find(linked.namespace, digestOf(linked.hex) as Digest)
    if (found !== undefined) explained.add(found.link.at)
  }
  for (const id of ids) explained.add(layout.record(id)).add(layout.fetched(id))
  const open = new Set<string>()
  const attempts = new Set<string>()
  for await (const { key } of objects.list(layout.uploads)) {
    const id = layout.uploadId(key)
    if (id === undefined || key !== layout.uploadRecord(id) || ids.has(id)) continue
    parseUpload(id, (await objects.readText(key))!.text)
    open.add(layout.upload(id))
  }
  const unexplained: string[] = []
  for await (const { key } of objects.list(layout.prefix)) {
    const upload = [...open].find((prefix) => key.startsWith(prefix))
    if (upload !== undefined && key.endsWith('.json') && !key.endsWith('/upload.json')) {
      const { at, attempt } = JSON.parse((await objects.readText(key))!.text) as { at: string; attempt: string | null }
      explained.add(at)
      if (attempt !== null) attempts.add(attempt)
    }
    if (upload === undefined) unexplained.push(key)
  }
  const parts: string[] = []
  for await (const { key, attempt } of objects.listParts(layout.prefix))
    if (!attempts.has(attempt)) parts.push(`parts of ${key}`)
  return [...unexplained.filter((key) => !explained.has(key)), ...parts]
}
