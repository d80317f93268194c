/** Which certificate authorities are believed: the system's, Node's, and the files that a user names. */

import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'
import { SupercargoError } from '@supercargo/protocol'
import { fromFileSystemError } from './file-system-error.ts'

/**
 * A context that trusts the default authorities and those in `caFiles` (PEM, one or more certificates a file). An empty
 * or damaged file is an error here, before any connection. Undefined when there is nothing to add.
 */
export function trustContext(caFiles: readonly string[]): SecureContext | undefined {
  if (caFiles.length === 0) return undefined
  const added = caFiles.flatMap(readCertificates)
  return createSecureContext({
    ca: [...new Set([...getCACertificates('default'), ...getCACertificates('system'), ...added])],
  })
}

function readCertificates(file: string): string[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw fromFileSystemError(error, `cannot read the CA file ${file}`)
  }
  const certificates = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (certificates.length === 0)
    throw new SupercargoError('invalid', 'ca-file-empty', `the CA file ${file} has no PEM certificate`)
  for (const [index, certificate] of certificates.entries()) {
    try {
      new X509Certificate(certificate)
    } catch (error) {
      throw new SupercargoError(
        'invalid',
        'ca-file-damaged',
        `certificate ${index + 1} of the CA file ${file} cannot be read`,
        { cause: error },
      )
    }
  }
  return certificates
}
