/** A certificate authority for one instance, by the openssl program; RSA, because clients on older Java read no other client key. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { command } from './command.ts'
import { missingProgram } from './toolchain.ts'

export interface KeyPair {
  readonly certFile: string
  readonly keyFile: string
}

export interface Authority extends KeyPair {
  readonly directory: string
}

export interface Subject {
  /** Names the files: `<name>.crt`, `<name>.key`. */
  readonly name: string
  readonly commonName: string
  readonly organization?: string
  /** `IP:127.0.0.1`, `DNS:localhost`; with none it is a client's certificate only. */
  readonly alternativeNames?: readonly string[]
}

const days = '30'

export const missingOpenssl = (): ReturnType<typeof missingProgram> => missingProgram('openssl', 'openssl')

export async function createAuthority(directory: string, commonName: string): Promise<Authority> {
  const certFile = join(directory, 'ca.crt')
  const keyFile = join(directory, 'ca.key')
  const extensions = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature']
  const request = [
    'openssl',
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-noenc',
    '-sha256',
    '-days',
    days,
    '-subj',
    `/CN=${commonName}`,
  ]
  await command([...request, ...extensions, '-keyout', keyFile, '-out', certFile])
  return { directory, certFile, keyFile }
}

export async function issue(authority: Authority, subject: Subject): Promise<KeyPair> {
  const file = (extension: string): string => join(authority.directory, `${subject.name}.${extension}`)
  const usage = subject.alternativeNames === undefined ? 'clientAuth' : 'serverAuth,clientAuth'
  const names = subject.alternativeNames === undefined ? [] : [`subjectAltName=${subject.alternativeNames.join(',')}`]
  const extensions = [
    'basicConstraints=CA:FALSE',
    'keyUsage=digitalSignature,keyEncipherment',
    `extendedKeyUsage=${usage}`,
    ...names,
  ]
  await writeFile(file('ext'), extensions.join('\n'))
  const organization = subject.organization === undefined ? '' : `/O=${subject.organization}`
  const distinguishedName = `${organization}/CN=${subject.commonName}`
  await command([
    'openssl',
    'req',
    '-new',
    '-newkey',
    'rsa:2048',
    '-noenc',
    '-subj',
    distinguishedName,
    '-keyout',
    file('key'),
    '-out',
    file('csr'),
  ])
  // A file that counts serial numbers would be written by several at a time.
  const serial = ['-set_serial', `0x01${randomBytes(15).toString('hex')}`]
  const signing = ['-CA', authority.certFile, '-CAkey', authority.keyFile, ...serial, '-sha256', '-days', days]
  await command([
    'openssl',
    'x509',
    '-req',
    '-in',
    file('csr'),
    ...signing,
    '-extfile',
    file('ext'),
    '-out',
    file('crt'),
  ])
  return { certFile: file('crt'), keyFile: file('key') }
}
