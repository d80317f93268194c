/** A control plane as a test service: authorization, admission, token review and garbage collection are those of a real cluster. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWith, type OwnInstance, ownInstance, provisionTimeoutMs, stopped } from '../running.ts'
import { until } from '../until.ts'
import { kubectl, tryKubectl } from './kubectl.ts'
import { kubernetesVersion } from './provision.ts'

describeWith(['kubernetes'], 'a control plane', () => {
  let cluster: OwnInstance<'kubernetes'>

  beforeAll(async () => {
    cluster = await ownInstance('kubernetes')
  }, provisionTimeoutMs)

  afterAll(async () => {
    expect(await stopped(cluster)).toEqual([])
  })

  it('says the pinned version', async () => {
    const version = JSON.parse(await kubectl(cluster.details, ['get', '--raw', '/version'])) as { gitVersion: string }
    if (process.env.KUBEBUILDER_ASSETS === undefined) expect(version.gitVersion).toBe(kubernetesVersion)
  })

  it('refuses by RBAC what was not granted, and allows what was', async () => {
    await kubectl(cluster.details, ['create', 'serviceaccount', 'reader'])
    const asReader = ['--as', 'system:serviceaccount:default:reader', 'get', 'pods']
    expect((await tryKubectl(cluster.details, asReader)).stderr).toContain('Forbidden')
    await kubectl(cluster.details, ['create', 'role', 'pods', '--verb=get,list', '--resource=pods'])
    await kubectl(cluster.details, ['create', 'rolebinding', 'pods', '--role=pods', '--serviceaccount=default:reader'])
    expect((await tryKubectl(cluster.details, asReader)).exitCode).toBe(0)
  })

  it('reviews a token of its own audience, and only of that', async () => {
    await kubectl(cluster.details, ['create', 'serviceaccount', 'submitter'])
    const token = (await kubectl(cluster.details, ['create', 'token', 'submitter', '--audience', 'supercargo'])).trim()
    const review = async (audience: string): Promise<{ authenticated?: boolean; user?: { username?: string } }> => {
      const request = {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences: [audience] },
      }
      const answer = await kubectl(cluster.details, ['create', '-o', 'json', '-f', '-'], JSON.stringify(request))
      return (JSON.parse(answer) as { status: { authenticated?: boolean; user?: { username?: string } } }).status
    }
    expect(await review('supercargo')).toMatchObject({
      authenticated: true,
      user: { username: 'system:serviceaccount:default:submitter' },
    })
    expect((await review('another')).authenticated ?? false).toBe(false)
  })

  it('enforces restricted Pod Security where a namespace asks for it', async () => {
    await kubectl(cluster.details, ['create', 'namespace', 'strict'])
    await kubectl(cluster.details, ['label', 'namespace', 'strict', 'pod-security.kubernetes.io/enforce=restricted'])
    await until(
      'the account of the namespace',
      async () => {
        const answer = await tryKubectl(cluster.details, ['get', 'serviceaccount', 'default', '--namespace', 'strict'])
        return answer.exitCode === 0
      },
      { timeoutMs: 60_000 },
    )
    const run = ['run', 'root', '--image=any', '--namespace', 'strict', '--restart=Never']
    expect((await tryKubectl(cluster.details, run)).stderr).toContain('violates PodSecurity "restricted:latest"')
  })

  it('collects what is owned when its owner is gone', async () => {
    await kubectl(cluster.details, ['create', 'configmap', 'owner'])
    const uid = await kubectl(cluster.details, ['get', 'configmap', 'owner', '-o', 'jsonpath={.metadata.uid}'])
    const owned = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'owned', ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid }] },
    }
    await kubectl(cluster.details, ['create', '-f', '-'], JSON.stringify(owned))
    await kubectl(cluster.details, ['delete', 'configmap', 'owner'])
    const gone = async (): Promise<boolean> =>
      (await tryKubectl(cluster.details, ['get', 'configmap', 'owned'])).stderr.includes('NotFound')
    await until('the collection of an owned object', gone, { timeoutMs: 120_000 })
  })
})
