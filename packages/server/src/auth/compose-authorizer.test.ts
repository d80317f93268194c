/** From the configuration to whom the server asks: nobody, the cluster of a kubeconfig, or a clear refusal to start. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Secret } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { checkConfig } from '../config.ts'
import { createLog } from '../log.ts'
import { serve } from '../main.ts'
import { type ClusterDouble, startClusterDouble, tokens } from '../testing/cluster-double.ts'
import { composeAuthorizer } from './compose-authorizer.ts'

let directory: string
let cluster: ClusterDouble
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'supercargo-auth-'))
  cluster = await startClusterDouble()
})
afterEach(async () => {
  await cluster.stop()
  await rm(directory, { recursive: true })
})

async function kubeconfig(): Promise<string> {
  const file = join(directory, 'kubeconfig')
  const config = {
    'current-context': 'none',
    contexts: [{ name: 'double', context: { cluster: 'double', user: 'nobody' } }],
    clusters: [{ name: 'double', cluster: { server: cluster.api.connection.server.origin } }],
    users: [],
  }
  await writeFile(file, JSON.stringify(config))
  return file
}

const settings = (more: object) =>
  checkConfig({ listen: '127.0.0.1:0', store: { directory: join(directory, 'store') }, ...more })

describe('whom the server asks', () => {
  it('is nobody without authorisation', async () => {
    expect(await composeAuthorizer(settings({}), {})).toBeUndefined()
  })

  it('is the cluster that the kubeconfig and the context name, with the audience of the configuration', async () => {
    const config = settings({
      auth: 'kubernetes',
      authAudience: 'ours',
      kubeconfig: await kubeconfig(),
      context: 'double',
    })
    const authorizer = (await composeAuthorizer(config, {}))!
    const asked = authorizer.identify(new Secret(tokens.admin), AbortSignal.timeout(5000))
    await expect(asked).rejects.toMatchObject({
      code: 'token-refused',
      hint: expect.stringContaining('--audience ours'),
    })
    expect(JSON.parse(cluster.api.requests[0]!.body)).toMatchObject({ spec: { audiences: ['ours'] } })
    await authorizer.close()
  })

  it('must be there at the start, though it need not answer yet', async () => {
    await expect(serve(settings({ auth: 'kubernetes' }), { environment: {} })).rejects.toMatchObject({
      kind: 'invalid',
      code: 'no-cluster',
    })
    const config = settings({ auth: 'kubernetes', kubeconfig: await kubeconfig(), context: 'double' })
    cluster.api.fault({ when: () => true, fault: { cutAfter: 0 } })
    const stop = new AbortController()
    const log = createLog({ level: 'silent' })
    let ready = 0
    const onReady = ({ url }: { url: string }): void =>
      void fetch(`${url}/readyz`).then(({ status }) => {
        ready = status
        stop.abort()
      })
    await serve(config, { signal: stop.signal, log, environment: {}, onReady })
    expect(ready).toBe(200)
  })
})
