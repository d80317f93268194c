/** The rights that we ship, applied to a real API server: enough to work, and nothing beyond. */
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ApiClient,
  acquireLease,
  createAccess,
  createClusterOwnerLookup,
  createNamespaces,
  createPodLineage,
  noMemory,
} from '@supercargo/kube'
import { type Owner, Secret } from '@supercargo/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startStagingServer } from '../../process/staging-server.ts'
import { type KubectlTarget, kubectl } from '../kubernetes/kubectl.ts'
import { describeWith, type OwnInstance, ownInstance, provisionTimeoutMs, stopped } from '../running.ts'
import {
  type Account,
  bind,
  canBundles,
  canI,
  clientOf,
  createAccount,
  createPod,
  defineSparkKinds,
  deploy,
  kubeconfigOf,
  createNamespaces as makeNamespaces,
  serverAccount,
  tokenOf,
} from './people.ts'

const signal = (): AbortSignal => AbortSignal.timeout(60_000)
const pod = (namespace: string, name: string): Owner => ({ namespace, apiVersion: 'v1', kind: 'Pod', name })

describeWith(['kubernetes'], 'the rights of deploy', () => {
  let cluster: OwnInstance<'kubernetes'>
  let directory: string
  let server: KubectlTarget
  let client: ApiClient

  beforeAll(async () => {
    cluster = await ownInstance('kubernetes')
    directory = mkdtempSync(join(tmpdir(), 'supercargo-rbac-'))
    await makeNamespaces(cluster.details, ['supercargo', 'spark', 'other'])
    await kubectl(cluster.details, ['apply', '-k', join(deploy, 'base')])
    await defineSparkKinds(cluster.details)
    const kubeconfig = kubeconfigOf(
      cluster.details,
      join(directory, 'server'),
      await tokenOf(cluster.details, serverAccount),
    )
    server = { ...cluster.details, kubeconfig }
    client = await clientOf(kubeconfig)
    for (const namespace of ['spark', 'other'])
      await createPod(cluster.details, namespace, 'driver', { labels: { a: 'b' } })
  }, provisionTimeoutMs)
  afterAll(async () => {
    await client?.close()
    if (directory !== undefined) await rm(directory, { recursive: true })
    expect(await stopped(cluster)).toEqual([])
  })

  const kinds = [
    'pods',
    'replicationcontrollers',
    'jobs.batch',
    'cronjobs.batch',
    'deployments.apps',
    'statefulsets.apps',
    'replicasets.apps',
    'daemonsets.apps',
    'sparkapplications.sparkoperator.k8s.io',
    'scheduledsparkapplications.sparkoperator.k8s.io',
    'sparkapplications.spark.apache.org',
  ]

  describe('for the server', () => {
    it.each([
      ...kinds.map((kind) => [`list ${kind}`, undefined] as const),
      ['create tokenreviews.authentication.k8s.io', undefined],
      ['create subjectaccessreviews.authorization.k8s.io', undefined],
      ['get namespaces', undefined],
      ['create leases.coordination.k8s.io', 'supercargo'],
      ['get leases.coordination.k8s.io/supercargo-collector', 'supercargo'],
      ['update leases.coordination.k8s.io/supercargo-collector', 'supercargo'],
    ] as const)('allow: %s', async (what, where) => {
      expect(await canI(server, what, where)).toBe(true)
    })

    it.each([
      ['get pods', undefined],
      ['watch pods', undefined],
      ['create pods', undefined],
      ['delete pods', undefined],
      ['patch pods', undefined],
      ['get pods/log', undefined],
      ['create pods/exec', undefined],
      ['list secrets', undefined],
      ['get secrets', 'supercargo'],
      ['list configmaps', undefined],
      ['list serviceaccounts', undefined],
      ['create serviceaccounts/token', 'supercargo'],
      ['list namespaces', undefined],
      ['list nodes', undefined],
      ['impersonate users', undefined],
      ['create rolebindings.rbac.authorization.k8s.io', undefined],
      ['delete jobs.batch', undefined],
      ['get leases.coordination.k8s.io/another', 'supercargo'],
      ['delete leases.coordination.k8s.io/supercargo-collector', 'supercargo'],
      ['create leases.coordination.k8s.io', 'spark'],
    ] as const)('do not allow: %s', async (what, where) => {
      expect(await canI(server, what, where)).toBe(false)
    })

    it('are enough to review tokens and rights, and to know namespaces and whose a pod is', async () => {
      const bound = await createPod(cluster.details, 'spark', 'bound', { labels: { claim: 'c' } })
      const token = await tokenOf(
        cluster.details,
        { namespace: 'spark', name: 'default' },
        { audience: 'supercargo', pod: bound },
      )
      const access = createAccess(client, { audience: 'supercargo' })
      const identity = await access.identify(new Secret(token), signal())
      expect(identity.pod).toEqual({ namespace: 'spark', ...bound })
      await expect(access.authorize(identity, 'create', 'spark', signal())).rejects.toMatchObject({ status: 403 })
      const namespaces = createNamespaces(client)
      expect([await namespaces.exists('spark', signal()), await namespaces.exists('none', signal())]).toEqual([
        true,
        false,
      ])
      const owner: Owner = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', labels: { claim: 'c' } }
      expect(await createPodLineage(client).belongs(identity.pod!, [owner], signal())).toBe(true)
    })

    it('do not include what they ask about', async () => {
      for (const verb of ['create', 'get', 'list', 'delete'])
        expect(await canBundles(server, verb, 'spark')).toBe(false)
    })

    it('are enough to hold the lease', async () => {
      const place = { namespace: 'supercargo', name: 'supercargo-collector', identity: 'test' }
      const lease = await acquireLease(client, place, signal())
      lease.assertHeld()
      await lease.release()
      const again = await acquireLease(client, { ...place, identity: 'other' }, signal())
      expect(again.epoch).toBeGreaterThan(lease.epoch)
      await again.release()
    })

    it('are enough to look up owners in the whole cluster', async () => {
      const lookup = createClusterOwnerLookup(client)
      const owners = [pod('spark', 'driver'), pod('other', 'driver'), pod('other', 'gone')]
      const answer = await lookup.sweep(
        owners.map((owner) => ({ owner })),
        noMemory,
        signal(),
      )
      expect(answer.owners.map(({ state }) => state)).toEqual(['present', 'present', 'absent'])
      const others = [
        ['batch/v1', 'Job', 'CronJob'],
        ['apps/v1', 'Deployment', 'StatefulSet', 'ReplicaSet', 'DaemonSet'],
        ['sparkoperator.k8s.io/v1beta2', 'SparkApplication', 'ScheduledSparkApplication'],
        ['spark.apache.org/v1', 'SparkApplication'],
      ] as const
      for (const [apiVersion, ...kindsOf] of others) {
        for (const kind of kindsOf) {
          const owner: Owner = { namespace: 'spark', apiVersion, kind, name: 'none' }
          expect(await lookup.confirm({ owner }, answer, signal()), kind).toMatchObject({ state: 'absent' })
        }
      }
    })
  })

  describe('for people', () => {
    it('let who may edit a namespace stage there, and its admins see and release, and nobody else', async () => {
      const verbs = ['create', 'get', 'list', 'delete']
      const rights: Record<string, readonly boolean[]> = {}
      for (const role of ['view', 'edit', 'admin', 'supercargo-stager', 'supercargo-admin']) {
        const account = { namespace: 'spark', name: `person-${role}` }
        await createAccount(cluster.details, account)
        await bind(cluster.details, role, account, 'spark')
        const kubeconfig = kubeconfigOf(cluster.details, join(directory, role), await tokenOf(cluster.details, account))
        const as = { ...cluster.details, kubeconfig }
        const answers = verbs.map((verb) => canBundles(as, verb, 'spark'))
        rights[role] = await Promise.all(answers)
        for (const verb of verbs) expect(await canBundles(as, verb, 'other'), role).toBe(false)
      }
      expect(rights).toEqual({
        view: [false, false, false, false],
        edit: [true, false, false, false],
        admin: [true, true, true, true],
        'supercargo-stager': [true, false, false, false],
        'supercargo-admin': [false, true, true, true],
      })
    })
  })

  describe('for the server, without a list of the whole cluster', () => {
    beforeAll(async () => {
      await kubectl(cluster.details, ['delete', '-k', join(deploy, 'base')])
      await kubectl(cluster.details, ['apply', '-k', join(deploy, 'namespaced')])
      // The account is another one by now, so its token is too.
      await client.close()
      const token = await tokenOf(cluster.details, serverAccount)
      client = await clientOf(kubeconfigOf(cluster.details, join(directory, 'server'), token))
    })

    it('allow the lists in the namespaces that were named, and in no other', async () => {
      for (const kind of kinds) {
        expect(await canI(server, `list ${kind}`, 'spark'), kind).toBe(true)
        expect(await canI(server, `list ${kind}`, 'other'), kind).toBe(false)
        expect(await canI(server, `list ${kind}`, undefined), kind).toBe(false)
      }
      expect(await canI(server, 'create tokenreviews.authentication.k8s.io', undefined)).toBe(true)
    })

    it('serve stagers and pods there; elsewhere a pod is served where no list is needed, else 503 says what is missing', async () => {
      const { details } = cluster
      const settings = ['--store', join(directory, 'store'), '--kube', 'none', '--auth', 'kubernetes']
      const staging = await startStagingServer({ arguments: [...settings, '--kubeconfig', server.kubeconfig] })
      try {
        const ask = async (
          account: Account,
          bound: { name: string; uid: string } | undefined,
          url: string,
          init = {},
        ) => {
          const token = await tokenOf(details, account, { audience: 'supercargo', ...(bound && { pod: bound }) })
          return await fetch(`${staging.url}${url}`, { ...init, headers: { authorization: `Bearer ${token}` } })
        }
        const statuses: Record<string, readonly number[]> = {}
        for (const namespace of ['spark', 'other']) {
          const stager = { namespace, name: 'stager' }
          await createAccount(details, stager)
          await bind(details, 'supercargo-stager', stager, namespace)
          const labels = { own: namespace }
          const bound = await createPod(details, namespace, 'own', { labels })
          const answers: number[] = []
          for (const how of [{ labels }, { name: 'own' }]) {
            const form = new FormData()
            form.set('owner', JSON.stringify({ namespace, kind: 'Pod', ...how }))
            form.set('file', new Blob(['bytes']), 'a')
            const made = await ask(stager, undefined, '/api/v1/resources', { method: 'POST', body: form })
            const { resourceId } = (await made.json()) as { resourceId: string }
            const url = `/api/v1/resources/${resourceId}/files/a`
            answers.push(made.status, (await ask({ namespace, name: 'default' }, bound, url)).status)
          }
          statuses[namespace] = answers
        }
        expect(statuses).toEqual({ spark: [201, 200, 201, 200], other: [201, 503, 201, 200] })
      } finally {
        await staging.stop()
      }
    })

    it('leave the owners of other namespaces unknown, which keeps what they own', async () => {
      const owners = [pod('spark', 'driver'), pod('spark', 'gone'), pod('other', 'driver'), pod('other', 'gone')]
      // More namespaces than are listed one by one: the cluster is tried first, and each namespace after its refusal.
      for (const namespacedListsMax of [8, 1]) {
        const lookup = createClusterOwnerLookup(client, { namespacedListsMax })
        const answer = await lookup.sweep(
          owners.map((owner) => ({ owner })),
          noMemory,
          signal(),
        )
        expect(answer.owners.map(({ state }) => state)).toEqual(['present', 'absent', 'unknown', 'unknown'])
        expect(answer.owners[2]).toMatchObject({ code: 'kube-forbidden' })
        expect(await lookup.confirm({ owner: pod('other', 'gone') }, answer, signal())).toMatchObject({
          state: 'unknown',
        })
      }
    })
  })
})
