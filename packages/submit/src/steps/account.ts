/** As whom the driver speaks to the API server: its service account, or credentials of the submitter's in a Secret. */
import { addMount, addObject, addVolume, setField, setProperty } from '../spec.ts'
import type { Step } from './step.ts'

export const credentialsDirectory = '/mnt/secrets/spark-kubernetes-credentials'

/** Keys of the Secret, and the properties that tell the driver where each is. */
export const credentialKeys = {
  'ca-cert': 'caCertFile',
  'client-key': 'clientKeyFile',
  'client-cert': 'clientCertFile',
  'oauth-token': 'oauthTokenFile',
} as const

const volume = 'kubernetes-credentials'

export const account: Step = {
  name: "the driver's account",
  apply: (spec, { application, configuration, inputs }) => {
    const name = configuration.text('spark.kubernetes.authenticate.driver.serviceAccountName')
    let next = name === undefined ? spec : setField(spec, 'driver', 'serviceAccountName', name)
    if (inputs.credentials.length === 0) return next
    const secret = `${application.prefix}-kubernetes-credentials`
    next = addObject(next, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: secret, namespace: application.namespace },
      data: Object.fromEntries(inputs.credentials.map((file) => [file.name, file.base64])),
    })
    next = addVolume(next, 'driver', { name: volume, secret: { secretName: secret } })
    next = addMount(next, 'driver', { name: volume, mountPath: credentialsDirectory, readOnly: true })
    for (const file of inputs.credentials) {
      const property = credentialKeys[file.name as keyof typeof credentialKeys]
      const key = `spark.kubernetes.authenticate.driver.mounted.${property}`
      next = setProperty(next, key, `${credentialsDirectory}/${file.name}`)
    }
    return next
  },
}
