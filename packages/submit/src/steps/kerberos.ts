/** Kerberos, by Spark's own keys: krb5.conf, a keytab with its principal, or a Secret with delegation tokens. */
import { SupercargoError } from '@supercargo/protocol'
import type { Configuration } from '../configuration.ts'
import { addMount, addObject, addVolume, type Spec, setEnvironment, setProperty } from '../spec.ts'
import type { Submission } from '../submission.ts'
import type { Step } from './step.ts'

const keytabDirectory = '/mnt/secrets/kerberos-keytab'
const tokenDirectory = '/mnt/secrets/hadoop-credentials'
const tokenVolume = 'hadoop-secret'

export const kerberos: Step = {
  name: 'Kerberos',
  apply: (spec, submission) => {
    checkPairs(submission.configuration)
    return tokens(keytab(configurationFile(spec, submission), submission), submission)
  },
}

/** The Secret that holds delegation tokens, and its key, when there is one. */
export function tokenSecret(configuration: Configuration): { readonly name: string; readonly key: string } | undefined {
  const name = configuration.text('spark.kubernetes.kerberos.tokenSecret.name')
  const key = configuration.text('spark.kubernetes.kerberos.tokenSecret.itemKey')
  return name === undefined || key === undefined ? undefined : { name, key }
}

function checkPairs(configuration: Configuration): void {
  const pairs = [
    ['spark.kerberos.keytab', 'spark.kerberos.principal'],
    ['spark.kubernetes.kerberos.tokenSecret.name', 'spark.kubernetes.kerberos.tokenSecret.itemKey'],
  ] as const
  for (const [one, other] of pairs) {
    if ((configuration.text(one) === undefined) === (configuration.text(other) === undefined)) continue
    const [given, missing] = configuration.text(one) === undefined ? [other, one] : [one, other]
    throw new SupercargoError('invalid', 'half-of-a-pair', `${configuration.said(given)} needs ${missing}`, {
      hint: 'set both or neither',
    })
  }
  const [path, name] = ['spark.kubernetes.kerberos.krb5.path', 'spark.kubernetes.kerberos.krb5.configMapName']
  if (configuration.text(path!) !== undefined && configuration.text(name!) !== undefined)
    throw new SupercargoError('conflict', 'two-kerberos-configurations', `both ${path} and ${name} are set`, {
      hint: 'set one of them',
    })
}

function configurationFile(spec: Spec, { application, configuration, inputs }: Submission): Spec {
  const existing = configuration.text('spark.kubernetes.kerberos.krb5.configMapName')
  const name = existing ?? (inputs.kerberosConf === undefined ? undefined : `${application.prefix}-krb5-file`)
  if (name === undefined) return spec
  let next = spec
  if (inputs.kerberosConf !== undefined)
    next = addObject(next, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: application.namespace },
      immutable: true,
      data: { 'krb5.conf': inputs.kerberosConf.text },
    })
  next = addVolume(next, 'driver', { name: 'krb5-file', configMap: { name } })
  return addMount(next, 'driver', { name: 'krb5-file', mountPath: '/etc/krb5.conf', subPath: 'krb5.conf' })
}

function keytab(spec: Spec, { application, inputs }: Submission): Spec {
  if (inputs.keytab === undefined) return spec
  const secretName = `${application.prefix}-kerberos-keytab`
  let next = addObject(spec, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: secretName, namespace: application.namespace },
    immutable: true,
    data: { [inputs.keytab.name]: inputs.keytab.base64 },
  })
  next = addVolume(next, 'driver', { name: 'kerberos-keytab', secret: { secretName } })
  next = addMount(next, 'driver', { name: 'kerberos-keytab', mountPath: keytabDirectory, readOnly: true })
  return setProperty(next, 'spark.kerberos.keytab', `${keytabDirectory}/${inputs.keytab.name}`)
}

function tokens(spec: Spec, { configuration }: Submission): Spec {
  const secret = tokenSecret(configuration)
  if (secret === undefined) return spec
  let next = addVolume(spec, 'driver', { name: tokenVolume, secret: { secretName: secret.name } })
  next = addMount(next, 'driver', { name: tokenVolume, mountPath: tokenDirectory, readOnly: true })
  return setEnvironment(next, 'driver', {
    name: 'HADOOP_TOKEN_FILE_LOCATION',
    value: `${tokenDirectory}/${secret.key}`,
  })
}
