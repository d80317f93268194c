/** The directory where the files appear in the pods. */
import { posix } from 'node:path'
import { printable, SupercargoError } from '@supercargo/protocol'

/** A volume over one of these would hide what the image needs, and Spark deletes what is in its working directory. */
const taken = [
  '/',
  '/bin',
  '/dev',
  '/etc',
  '/lib',
  '/opt',
  '/opt/spark',
  '/opt/spark/work-dir',
  '/proc',
  '/root',
  '/sys',
  '/tmp',
  '/usr',
  '/var',
  '/var/run',
]

/** The same path in its plain form. Throws kind `invalid`, code `bad-root`. */
export function checkRoot(text: string): string {
  const path = posix.normalize(text).replace(/(?<=.)\/$/, '')
  const hidden = taken.includes(path) || /^\/(proc|sys|dev|opt\/spark\/work-dir|etc\/supercargo)(\/|$)/.test(path)
  if (path.startsWith('/') && !hidden && !/[:,\u0000-\u001f\s]/.test(path)) return path
  throw new SupercargoError('invalid', 'bad-root', `the files cannot appear in ${printable(text)}`, {
    hint: 'name a directory of its own, from the root on: /var/spark-data',
  })
}
