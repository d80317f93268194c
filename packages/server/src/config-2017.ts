/** The properties file of the 2017 resource staging server, as a configuration of this one. */
import { parseProperties, SupercargoError, substitute } from '@supercargo/protocol'
import type { ConfigInput } from './config-schema.ts'

const server = 'spark.kubernetes.resourceStagingServer'
const ssl = 'spark.ssl.kubernetes.resourceStagingServer'

/** Unknown keys are ignored, as the original did. What cannot be had here is refused, not passed over. */
export function fromProperties(text: string, environment: Readonly<Record<string, string | undefined>>): ConfigInput {
  const properties = substitute(parseProperties(text), environment)
  const expiration = properties.get(`${server}.initialAccessExpirationTimeout`)
  const tls = tlsOf(properties)
  return {
    // The original listened on all addresses, on this port.
    listen: `0.0.0.0:${properties.get(`${server}.port`) ?? '10000'}`,
    ...(expiration === undefined ? {} : { collector: { firstUseTimeoutMs: expiration } }),
    ...(tls === undefined ? {} : { tls }),
  }
}

function tlsOf(properties: ReadonlyMap<string, string>): ConfigInput['tls'] {
  const get = (key: string): string | undefined => properties.get(`${ssl}.${key}`) ?? properties.get(`spark.ssl.${key}`)
  if (get('enabled') !== 'true') return undefined
  const keyFile = get('keyPem')
  const certFile = get('serverCertPem')
  if (keyFile === undefined || certFile === undefined) {
    throw new SupercargoError('invalid', 'no-pem', `${ssl} is enabled without keyPem and serverCertPem`, {
      hint:
        get('keyStore') === undefined
          ? 'name both PEM files'
          : 'Java key stores are not read; export the pair as PEM files',
    })
  }
  if (get('needClientAuth') === 'true') {
    throw new SupercargoError(
      'invalid',
      'no-trust-store',
      `${ssl}.needClientAuth works with a Java trust store, which is not read`,
      {
        hint: 'use a YAML configuration with tls.clientCaFile',
      },
    )
  }
  return { keyFile, certFile }
}
