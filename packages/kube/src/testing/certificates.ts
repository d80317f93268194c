/** Certificates for tests that need TLS, made by the openssl program into a directory of the test. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface TestCertificates {
  readonly caFile: string
  readonly server: { readonly certFile: string; readonly keyFile: string }
  readonly client: { readonly certFile: string; readonly keyFile: string }
}

const run = promisify(execFile)

/** An authority, a server's certificate for 127.0.0.1 and `api.test`, and a client's. */
export async function testCertificates(directory: string): Promise<TestCertificates> {
  const file = (name: string): string => join(directory, name)
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-days', '2']
  await run('openssl', [...request, '-subj', '/CN=test authority', '-keyout', file('ca.key'), '-out', file('ca.crt')])
  const issue = async (name: string, subject: string, extensions: readonly string[]) => {
    const signing = ['-CA', file('ca.crt'), '-CAkey', file('ca.key')]
    const added = ['basicConstraints=critical,CA:FALSE', ...extensions].flatMap((each) => ['-addext', each])
    const pair = { certFile: file(`${name}.crt`), keyFile: file(`${name}.key`) }
    const output = ['-subj', subject, '-keyout', pair.keyFile, '-out', pair.certFile]
    await run('openssl', [...request, ...signing, ...added, ...output])
    return pair
  }
  return {
    caFile: file('ca.crt'),
    server: await issue('server', '/CN=api', ['subjectAltName=IP:127.0.0.1,DNS:api.test']),
    client: await issue('client', '/O=teams/CN=submitter', ['extendedKeyUsage=clientAuth']),
  }
}
