/** A submitter that is killed at its n-th call: `node apply-until-killed.ts KUBECONFIG NAMESPACE N before|after`. */
import { kubeConfigConnection } from '@supercargo/kube'
import { apply } from '@supercargo/submit'
import { CountingClient, smallApplication } from './rendered.ts'

const [kubeconfig, namespace, n, when] = process.argv.slice(2)
const connection = (await kubeConfigConnection({ kubeconfig: kubeconfig!, environment: {} }))!
const client = new CountingClient(connection, (call, at) => {
  if (call === Number(n) && at === when) process.kill(process.pid, 'SIGKILL')
})
const small = await smallApplication(namespace!)
await apply({ client, ...small, gate: true }, AbortSignal.timeout(30_000))
await client.close()
