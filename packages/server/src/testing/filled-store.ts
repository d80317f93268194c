/** A store with something of everything that a store keeps, and what of it is to be seen through its ports, whichever kind it is. */
import type { ManualClock } from '@supercargo/transfer'
import type { OpenedStore } from '../store/open-store.ts'
import type { ResourceRecord } from '../store/store.ts'
import { content, digest, fetchFile, fileOf, podOwner, sendBlob, stage, writeAll } from './staging.ts'

/** What several resources and files of a filled store have. */
export const sharedBytes = content(3000, 1)
/** What only its open upload has. */
export const unfinishedBytes = content(50, 3)

/** `clock` is that of the store. Two resources, with 5000 bytes to copy. */
export async function fillStore({ store, names, tokens }: OpenedStore, clock: ManualClock): Promise<ResourceRecord[]> {
  const one = await stage(store, { 'a.jar': sharedBytes, 'again.jar': sharedBytes, empty: Buffer.alloc(0) })
  await store.update(one.id, (record) => ({
    ...record,
    capabilities: [{ name: 'cap', hash: `sha256:${'c'.repeat(64)}`, expiresAtMs: 5 }],
  }))
  clock.advance(90_000)
  await store.touch(one.id)
  const intake = await store.intake(undefined)
  const writer = await intake.file('b.jar', undefined)
  await writeAll(writer, content(2000, 2))
  await writer.commit()
  const two = await intake.commit([podOwner('other')], 'webhdfs', { principal: 'ann', maxAgeMs: 7 })
  const named = { resourceId: two.id, file: 'b.jar', sizeBytes: 2000, digest: digest(content(2000, 2)), modifiedMs: 3 }
  const place = { namespace: 'other', tree: 'tree', path: 'folder/b.jar' }
  await names.put(place, named, { overwrite: false, makeParents: true })
  await names.makeDirectory({ ...place, path: 'empty' })
  await tokens.create({ namespace: 'other', expiresAtMs: 9, bytesMax: 8, note: 'nightly' })
  await store.maintenance.bindCluster('cluster-1')
  await store.maintenance.saveState(Buffer.from('what was seen'), 0)
  const unfinished = await store.create({ owners: [podOwner()], files: [fileOf('u', unfinishedBytes)] })
  await sendBlob(store, unfinished.id, unfinishedBytes)
  return [one, two]
}

/** Everything but what is only on its way; of bytes, the digests that they have. */
export async function contentsOf({ store, names, tokens }: OpenedStore): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for await (const id of store.archive.ids()) {
    const { record, fetchedAtMs } = (await store.archive.read(id))!
    found[`record ${id}`] = JSON.parse(JSON.stringify(record))
    found[`fetched ${id}`] = fetchedAtMs === null ? null : Math.round(fetchedAtMs)
    for (const file of record.files) found[`bytes ${id}/${file.path}`] = digest(await fetchFile(store, record, file))
  }
  for await (const { place, entry } of names.everything())
    found[`name ${place.namespace}/${place.tree}/${place.path}`] = entry.type === 'file' ? entry : 'directory'
  for (const token of await tokens.list(undefined)) found[`token ${token.name}`] = token
  const { clusterUid, text } = await store.maintenance.loadState()
  return { ...found, clusterUid, text }
}
