/** The options of `supercargo store …`. */
import { json, logLevel, type Option, quiet } from './options.ts'
import { bucketOptions } from './serve-options.ts'

export const verifyStoreOptions: readonly Option[] = [
  {
    name: 'store',
    value: 'PLACE',
    help: 'a directory whose server does not run, or s3://bucket/prefix, beside its servers',
  },
  { name: 'read-only', help: 'look beside the running server of a directory, without its lock' },
  { name: 'repair', help: 'take damaged blobs out of use; in a directory they are moved to quarantine/' },
  ...bucketOptions,
  quiet,
  json,
  logLevel,
]

export const copyStoreOptions: readonly Option[] = [
  { name: 'from', value: 'PLACE', help: 'a directory, or s3://bucket/prefix; no server may run on it' },
  { name: 'to', value: 'PLACE', help: 'an empty one, or one that was copied from there before' },
  ...bucketOptions,
  quiet,
  json,
  logLevel,
]
