/** The laws of an owner lookup, run against every cluster that there is: the double, and a real API server. */
import type { Owner } from '@supercargo/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ApiClient } from '../api-client.ts'
import { createClusterOwnerLookup } from '../cluster-owner-lookup.ts'
import { noMemory, type OwnerLookup, type OwnerPresence, type OwnerQuery } from '../owner-lookup.ts'
import { type ContractCluster, contractApiVersion, contractCluster, type NewOwner } from './contract-cluster.ts'

export interface ContractSubject {
  /** May do everything in the cluster. */
  readonly client: ApiClient
  close(): Promise<void>
}

const unknownCode = (answer: OwnerPresence): string => (answer.state === 'unknown' ? answer.code : answer.state)
const signal = (): AbortSignal => AbortSignal.timeout(60_000)

export function ownerLookupContract(what: string, open: () => Promise<ContractSubject>): void {
  describe(`the owner lookup of ${what}`, () => {
    let subject: ContractSubject
    let cluster: ContractCluster
    let lookup: OwnerLookup
    /** Names of this run, so that a cluster may be used again. */
    const run = `contract-${Date.now().toString(36)}`
    const [first, second] = [`${run}-a`, `${run}-b`]
    let count = 0

    beforeAll(async () => {
      subject = await open()
      cluster = contractCluster(subject.client)
      // Both ways to list must say the same: the last two have the cluster in one list.
      lookup = createClusterOwnerLookup(subject.client, { pageObjects: 3 })
      await cluster.createNamespace(first)
      await cluster.createNamespace(second)
    })
    afterAll(() => subject?.close())

    /** Sweep, sweep of the whole cluster, and confirmation agree, or it is no answer. */
    async function ask(query: OwnerQuery): Promise<OwnerPresence> {
      const wide = createClusterOwnerLookup(subject.client, { pageObjects: 500, namespacedListsMax: 0 })
      const swept = await lookup.sweep([query], noMemory, signal())
      const sweptWide = await wide.sweep([query], noMemory, signal())
      const confirmed = await lookup.confirm(query, swept, signal())
      expect([swept.owners[0]!.state, sweptWide.owners[0]!.state]).toEqual([confirmed.state, confirmed.state])
      if (confirmed.state === 'present') expect(swept.owners[0]).toMatchObject({ uids: confirmed.uids })
      return swept.owners[0]!
    }

    function fresh(owner: Partial<NewOwner> = {}): NewOwner {
      count++
      const labels = { app: run, id: `${count}` }
      return { apiVersion: 'v1', kind: 'Pod', namespace: first, name: `owner-${count}`, labels, ...owner }
    }

    const by = {
      name: ({ apiVersion, kind, namespace, name }: NewOwner): Owner => ({ apiVersion, kind, namespace, name }),
      labels: ({ apiVersion, kind, namespace, labels }: NewOwner): Owner => ({
        apiVersion,
        kind,
        namespace,
        labels: { ...labels },
      }),
      uid: ({ apiVersion, kind, namespace }: NewOwner, uid: string): Owner => ({ apiVersion, kind, namespace, uid }),
    }

    it.each([
      ['v1', 'Pod'],
      ['v1', 'ReplicationController'],
      ['batch/v1', 'Job'],
      ['batch/v1', 'CronJob'],
      ['apps/v1', 'Deployment'],
      ['apps/v1', 'StatefulSet'],
      ['apps/v1', 'ReplicaSet'],
    ])('finds a %s %s by name, by labels and by uid while it is there, and then no more', async (apiVersion, kind) => {
      const owner = fresh({ apiVersion, kind })
      const uid = await cluster.create(owner)
      for (const each of [by.name(owner), by.labels(owner), by.uid(owner, uid)]) {
        expect(await ask({ owner: each })).toMatchObject({ state: 'present', uids: [uid] })
      }
      await cluster.remove(owner)
      for (const each of [by.name(owner), by.labels(owner), by.uid(owner, uid)]) {
        expect(await ask({ owner: each })).toMatchObject({ state: 'absent' })
      }
    })

    it('lets the uid decide when the name is used again, and the name when there is no uid', async () => {
      const owner = fresh()
      const old = await cluster.create(owner)
      await cluster.remove(owner)
      const uid = await cluster.create(owner)
      expect(await ask({ owner: { ...by.name(owner), uid: old } })).toMatchObject({ state: 'absent' })
      expect(await ask({ owner: by.uid(owner, old) })).toMatchObject({ state: 'absent' })
      expect(await ask({ owner: by.name(owner) })).toMatchObject({ state: 'present', uids: [uid] })
    })

    it('still finds an object that was relabelled, when it is told the uid', async () => {
      const owner = fresh()
      const uid = await cluster.create(owner)
      await cluster.relabel(owner, { id: null })
      expect(await ask({ owner: by.labels(owner) })).toMatchObject({ state: 'absent' })
      expect(await ask({ owner: by.labels(owner), knownUids: [uid] })).toMatchObject({ state: 'present', uids: [uid] })
      await cluster.remove(owner)
      expect(await ask({ owner: by.labels(owner), knownUids: [uid] })).toMatchObject({ state: 'absent' })
    })

    it('wants every label, in the same namespace, on the same kind', async () => {
      const owner = fresh()
      const uid = await cluster.create(owner)
      const wrong: Owner[] = [
        { ...by.labels(owner), labels: { ...owner.labels, more: 'yes' } },
        { ...by.labels(owner), namespace: second },
        { ...by.name(owner), namespace: second },
        { ...by.uid(owner, uid), namespace: second },
        { ...by.name(owner), labels: { app: 'another' } },
        { ...by.name(owner), apiVersion: 'batch/v1', kind: 'Job' },
        { ...by.uid(owner, uid), apiVersion: 'batch/v1', kind: 'Job' },
      ]
      for (const each of wrong)
        expect(await ask({ owner: each }), JSON.stringify(each)).toMatchObject({ state: 'absent' })
    })

    it('says all objects that carry the labels', async () => {
      const labels = { app: run, set: `${count}` }
      const uids: string[] = []
      for (let n = 0; n < 8; n++) uids.push(await cluster.create(fresh({ labels })))
      const answer = await ask({ owner: { apiVersion: 'v1', kind: 'Pod', namespace: first, labels } })
      expect(answer.state === 'present' && [...answer.uids].sort()).toEqual(uids.sort())
    })

    it('keeps an object that is being deleted until it is gone', async () => {
      const owner = fresh({ apiVersion: 'batch/v1', kind: 'Job', finalizers: ['supercargo.io/contract'] })
      const uid = await cluster.create(owner)
      await cluster.remove(owner)
      expect(await ask({ owner: by.name(owner) })).toMatchObject({ state: 'present', uids: [uid] })
      await cluster.releaseFinalizers(owner)
      expect(await ask({ owner: by.name(owner) })).toMatchObject({ state: 'absent' })
    })

    it('has evidence of absence for a namespace that does not exist', async () => {
      expect(await ask({ owner: by.name(fresh({ namespace: `${run}-nowhere` })) })).toMatchObject({ state: 'absent' })
    })

    it('answers many owners in their order, with one list for each kind and scope', async () => {
      const living = fresh({ namespace: second })
      await cluster.create(living)
      const queries = Array.from({ length: 40 }, (_, n): OwnerQuery => {
        return { owner: n % 2 === 0 ? by.name(living) : { ...by.name(living), name: `none-${n}` } }
      })
      const { owners, scopes } = await lookup.sweep(queries, noMemory, signal())
      expect(owners.map(({ state }) => state)).toEqual(queries.map((_, n) => (n % 2 === 0 ? 'present' : 'absent')))
      expect(scopes).toHaveLength(1)
      expect(scopes[0]).toMatchObject({ kind: 'Pod', namespace: second, complete: true })
    })

    it.each([
      ['a group that is not served', 'nobody.example/v1', 'Thing', 'kube-type-not-found'],
      ['a kind that its group does not have', 'batch/v1', 'Thing', 'kube-type-not-found'],
      ['a version that its group does not have', 'batch/v1alpha9', 'Job', 'kube-type-not-found'],
      ['a cluster-scoped kind', 'v1', 'Node', 'kube-kind-cluster-scoped'],
      ['a kind that only its readers may list', 'v1', 'Secret', 'kube-kind-refused'],
    ])('knows nothing of %s', async (_, apiVersion, kind, code) => {
      expect(unknownCode(await ask({ owner: { apiVersion, kind, namespace: first, name: 'x' } }))).toBe(code)
    })

    it('finds a kind that is defined later, and knows nothing again when the definition is gone', async () => {
      const kind = `Voyage${run.slice(-6)}`
      const owner = fresh({ apiVersion: contractApiVersion, kind })
      expect(unknownCode(await ask({ owner: by.name(owner) }))).toBe('kube-type-not-found')
      await cluster.defineKind(kind, 'Namespaced')
      const uid = await cluster.create(owner)
      expect(await ask({ owner: by.name(owner) })).toMatchObject({ state: 'present', uids: [uid] })
      await cluster.removeKind(kind)
      // Measured: while the definition goes, the list is 200 and empty for some seconds; its objects really are gone by then.
      await expect
        .poll(
          async () => unknownCode((await lookup.sweep([{ owner: by.name(owner) }], noMemory, signal())).owners[0]!),
          { timeout: 30_000 },
        )
        .toBe('kube-type-not-found')
    })

    it('knows nothing when the cluster is another, or its versions went back', async () => {
      const owner = by.name(fresh())
      const swept = await lookup.sweep([{ owner }], noMemory, signal())
      expect(swept.clusterUid).toBe(await lookup.clusterUid(signal()))
      const elsewhere = { ...swept, clusterUid: 'another' }
      const other = await lookup.sweep([{ owner }], elsewhere, signal())
      expect([other.clusterUid, unknownCode(other.owners[0]!)]).toEqual([undefined, 'kube-another-cluster'])
      expect(unknownCode(await lookup.confirm({ owner }, elsewhere, signal()))).toBe('kube-another-cluster')
      const newer = { ...swept, versions: { kubernetes: '9999999999999999999' } }
      expect(unknownCode((await lookup.sweep([{ owner }], newer, signal())).owners[0]!)).toBe('kube-list-older')
      expect(unknownCode(await lookup.confirm({ owner }, newer, signal()))).toBe('kube-list-older')
      const again = await lookup.sweep([{ owner }], swept, signal())
      expect(again.owners[0]).toMatchObject({ state: 'absent' })
      expect(BigInt(again.versions.kubernetes!)).toBeGreaterThanOrEqual(BigInt(swept.versions.kubernetes!))
    })

    it('rejects when it is stopped, and only then', async () => {
      const stopped = AbortSignal.abort()
      const query = { owner: by.name(fresh()) }
      await expect(lookup.sweep([query], noMemory, stopped)).rejects.toMatchObject({ code: 'aborted' })
      await expect(lookup.confirm(query, noMemory, stopped)).rejects.toMatchObject({ code: 'aborted' })
    })
  })
}
