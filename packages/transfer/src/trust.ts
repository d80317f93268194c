/** Which certificate authorities are believed: the system's, Node's, and the files that a user names; and who we say we are. */

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { SecureContext } from 'node:tls'
import { SupercargoError } from '@supercargo/protocol'
import { fromFileSystemError } from './file-system-error.ts'
import { nodeTls } from './node-modules.ts'

export interface ClientCertificate {
  /** PEM: the certificate, and what leads from it to its authority. */
  readonly certFile: string
  /** PEM, not encrypted. */
  readonly keyFile: string
}

/**
 * A context that trusts the default authorities and those in `caFiles` (PEM, one or more certificates a file), and that
 * shows `certificate` to whoever asks. An empty or damaged file is an error here, before any connection. Undefined when there is nothing to add.
 */
export function trustContext(
  caFiles: readonly string[],
  certificate?: ClientCertificate | undefined,
): SecureContext | undefined {
  if (caFiles.length === 0 && certificate === undefined) return undefined
  const { createSecureContext, getCACertificates } = nodeTls()
  const added = caFiles.flatMap((file) => readCertificates(file))
  const identity = certificate === undefined ? {} : readIdentity(certificate)
  try {
    return createSecureContext({
      ca: [...new Set([...getCACertificates('default'), ...getCACertificates('system'), ...added])],
      ...identity,
    })
  } catch (error) {
    if (certificate === undefined) throw error
    throw new SupercargoError(
      'invalid',
      'client-certificate',
      `the client certificate ${certificate.certFile} and the key ${certificate.keyFile} cannot be used together`,
      { cause: error, hint: 'both are PEM, the key is of this certificate, and it is not encrypted' },
    )
  }
}

function readIdentity({ certFile, keyFile }: ClientCertificate): { cert: string; key: string } {
  return {
    cert: readCertificates(certFile, 'client certificate').join('\n'),
    key: readText(keyFile, 'the client key'),
  }
}

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw fromFileSystemError(error, `cannot read ${what} ${file}`)
  }
}

function readCertificates(file: string, what = 'CA'): string[] {
  const text = readText(file, `the ${what} file`)
  const certificates = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  const code = what === 'CA' ? 'ca-file' : 'client-certificate'
  if (certificates.length === 0)
    throw new SupercargoError('invalid', `${code}-empty`, `the ${what} file ${file} has no PEM certificate`)
  for (const [index, certificate] of certificates.entries()) {
    try {
      new X509Certificate(certificate)
    } catch (error) {
      throw new SupercargoError(
        'invalid',
        `${code}-damaged`,
        `certificate ${index + 1} of the ${what} file ${file} cannot be read`,
        { cause: error },
      )
    }
  }
  return certificates
}
