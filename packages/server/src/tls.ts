/** The server's certificate from PEM files, read again when their content changes. */
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Server } from 'node:https'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import { SupercargoError } from '@supercargo/protocol'
import { type Clock, fromFileSystemError } from '@supercargo/transfer'
import type { Log } from './log.ts'

export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
  readonly clientCaFile?: string | undefined
}

export interface TlsMaterial {
  readonly options: SecureContextOptions & { readonly requestCert: boolean; readonly rejectUnauthorized: boolean }
  /** Of all files together. */
  readonly fingerprint: string
  /** When the certificate ends, in milliseconds since 1970 UTC. */
  readonly endsAtMs: number
}

/** Kubernetes swaps a mounted secret by a link, which a watch of the file does not see: compare contents. */
export const tlsPollMs = 10_000

/** A certificate that is not renewed by this time before its end is worth a warning: renewers are done weeks earlier. */
const renewedBeforeMs = 3 * 24 * 3_600_000

/**
 * Reads and checks the files. A key that is not that of the certificate, and a certificate that has ended, are errors of kind
 * `invalid`: no client would take them.
 */
export async function readTls(files: TlsFiles, nowMs: number): Promise<TlsMaterial> {
  const [cert, key, ca] = await Promise.all([
    read(files.certFile),
    read(files.keyFile),
    files.clientCaFile === undefined ? undefined : read(files.clientCaFile),
  ])
  const options = {
    cert,
    key,
    ...(ca === undefined ? {} : { ca }),
    minVersion: 'TLSv1.2' as const,
    requestCert: ca !== undefined,
    rejectUnauthorized: ca !== undefined,
  }
  let endsAtMs: number
  try {
    const certificate = new X509Certificate(cert)
    endsAtMs = Date.parse(certificate.validTo)
    if (!certificate.checkPrivateKey(createPrivateKey(key)))
      throw new Error('the key does not belong to the certificate')
    createSecureContext(options)
  } catch (error) {
    // The reason names no content of the key; OpenSSL's errors are about its form.
    throw new SupercargoError(
      'invalid',
      'bad-certificate',
      `${files.certFile} and ${files.keyFile} cannot be used: ${(error as Error).message}`,
      { hint: "both are PEM, the key without a passphrase, and the server's own certificate comes first in its file" },
    )
  }
  if (endsAtMs <= nowMs) {
    const says = `the certificate in ${files.certFile} ended at ${new Date(endsAtMs).toISOString()}`
    throw new SupercargoError('invalid', 'certificate-ended', says, { hint: 'renew it, or check the clock' })
  }
  const hash = createHash('sha256')
  for (const part of [cert, key, ca ?? '']) hash.update(createHash('sha256').update(part).digest())
  return { options, fingerprint: hash.digest('hex'), endsAtMs }
}

/** Until the signal aborts: gives new connections the new certificate; a pair that does not fit leaves the old one. */
export async function followTls(
  server: Server,
  files: TlsFiles,
  first: TlsMaterial,
  options: {
    readonly clock: Clock
    readonly log: Log
    readonly signal: AbortSignal
    readonly onChange: (material: TlsMaterial) => void
  },
): Promise<void> {
  const { clock, log, signal } = options
  let current = first
  let warnedOf = ''
  let lastFault = ''
  while (!signal.aborted) {
    if (current.endsAtMs - clock.now() < renewedBeforeMs && warnedOf !== current.fingerprint) {
      warnedOf = current.fingerprint
      const fields = { certFile: files.certFile, endsAt: new Date(current.endsAtMs).toISOString() }
      log.warn(fields, 'the certificate ends soon and was not renewed')
    }
    try {
      await clock.sleep(tlsPollMs, signal)
    } catch (error) {
      if (signal.aborted) return
      throw error
    }
    try {
      const material = await readTls(files, clock.now())
      lastFault = ''
      if (material.fingerprint === current.fingerprint) continue
      server.setSecureContext(material.options)
      current = material
      options.onChange(material)
      log.info({ certFile: files.certFile }, 'the certificate was read again')
    } catch (error) {
      const fault = (error as Error).message
      if (fault !== lastFault)
        log.error({ error, certFile: files.certFile }, 'the new certificate cannot be used; the old one stays')
      lastFault = fault
    }
  }
}

async function read(file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    throw fromFileSystemError(error, `cannot read ${file}`)
  }
}
