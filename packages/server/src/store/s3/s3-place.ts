/** What a setting or an option calls a place in a bucket. */
import { printable, SupercargoError } from '@supercargo/protocol'

export interface S3Place {
  readonly bucket: string
  /** Without slashes at its ends; empty for the whole bucket. */
  readonly prefix: string
}

/** `s3://bucket/prefix`. Throws kind `invalid`. */
export function parseS3Place(text: string): S3Place {
  const match = /^s3a?:\/\/([a-z0-9][a-z0-9._-]{1,254})(?:\/([^?#]*))?$/i.exec(text)
  const prefix = (match?.[2] ?? '').replace(/\/+$/, '')
  const parts = prefix === '' ? [] : prefix.split('/')
  if (match !== null && parts.every((part) => /^[A-Za-z0-9!_.'()-]+$/.test(part) && !/^\.{1,2}$/.test(part)))
    return { bucket: match[1]!, prefix }
  // Credentials may stand before an @.
  const shown = printable(text.replace(/\/\/[^/]*@/, '//').replace(/[?#].*$/s, ''))
  throw new SupercargoError('invalid', 'bad-store-place', `${shown} is not s3://bucket/prefix`, {
    hint: 'a prefix is made of letters, digits and - _ . between slashes; credentials come from the environment',
  })
}
