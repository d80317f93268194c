/** One option of a bucket: `fs.s3a.bucket.NAME.…` before `fs.s3a.…`. No I/O. */
import { SupercargoError } from '@supercargo/protocol'
import type { HadoopConfiguration } from '../../hadoop/configuration.ts'

/** By the name behind `fs.s3a.`, without white space; undefined when it is not set or empty. */
export type Option = (name: string) => string | undefined

export function optionsOf(bucket: string, hadoop: HadoopConfiguration): Option {
  return (name) => {
    const own = hadoop.get(`fs.s3a.bucket.${bucket}.${name}`)?.trim()
    const value = own === undefined || own === '' ? hadoop.get(`fs.s3a.${name}`)?.trim() : own
    return value === '' ? undefined : value
  }
}

export function flag(option: Option, name: string, otherwise: boolean): boolean {
  const value = option(name)?.toLowerCase()
  if (value === undefined) return otherwise
  if (value !== 'true' && value !== 'false') throw badSettings(`fs.s3a.${name}`, 'is neither true nor false')
  return value === 'true'
}

export function badSettings(property: string, fault: string, hint?: string): SupercargoError {
  return new SupercargoError('invalid', 'bad-s3-settings', `the property ${property} ${fault}`, { hint })
}
