/** Which cluster a master names. */
import { describe, expect, it } from 'vitest'
import { connectCluster, masterServer } from './cluster.ts'
import { Configuration } from './configuration.ts'
import { workplace } from './testing/submission.ts'

describe('a master', () => {
  it.each([
    ['k8s://https://host:6443', 'https://host:6443/'],
    ['k8s://host:6443', 'https://host:6443/'],
    ['k8s://http://127.0.0.1:8001', 'http://127.0.0.1:8001/'],
    ['k8s://https://host/prefix', 'https://host/prefix'],
    ['k8s://', undefined],
    [undefined, undefined],
  ])('%s is the server %s', (master, server) => {
    expect(masterServer(master)?.href).toBe(server)
  })

  it.each(['local[*]', 'yarn', 'spark://host:7077', 'k8s://ftp://host', 'k8s://https://'])(
    '%s is refused',
    (master) => {
      expect(() => masterServer(master)).toThrow(
        expect.objectContaining({ code: 'bad-master', hint: expect.any(String) }),
      )
    },
  )
})

describe('the credentials', () => {
  it('of the submission’s own keys win over the kubeconfig’s, and never go over plain HTTP', async () => {
    await using place = await workplace()
    const token = await place.file('token', 'own\n')
    const key = 'spark.kubernetes.authenticate.submission.oauthTokenFile'
    const connect = (master: string) =>
      connectCluster({ configuration: Configuration.of({ 'spark.master': master, [key]: token }), environment: {} })
    const { credentials, server } = await connect('k8s://https://host:6443')
    expect([server.href, (await credentials()).headers]).toEqual([
      'https://host:6443/',
      { authorization: 'Bearer own' },
    ])
    await expect((await connect('k8s://http://host:80')).credentials()).rejects.toMatchObject({
      code: 'kube-not-https',
    })
  })

  it('are needed', async () => {
    const configuration = Configuration.of({ 'spark.master': 'k8s://https://host' })
    await expect(connectCluster({ configuration, environment: {} })).rejects.toMatchObject({ code: 'no-cluster' })
  })
})
