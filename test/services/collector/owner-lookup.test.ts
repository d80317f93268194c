/** The contract of the owner lookup against a real API server. */
import { ApiClient, kubeConfigConnection } from '@supercargo/kube'
import { ownerLookupContract } from '@supercargo/kube/testing'
import { describeWith, ownInstance } from '../running.ts'

describeWith(['kubernetes'], 'Kubernetes', () => {
  ownerLookupContract('a real API server', async () => {
    const instance = await ownInstance('kubernetes')
    const connection = await kubeConfigConnection({ kubeconfig: instance.details.kubeconfig, environment: {} })
    const client = new ApiClient(connection!)
    return {
      client,
      close: async () => {
        await client.close()
        await instance.stop()
      },
    }
  })
})
