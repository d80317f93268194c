/** A Kerberos realm on loopback: one key distribution centre, its principals, a keytab for each. */
import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { command } from '../command.ts'
import { type DebianTree, libraryFolder } from '../debian-packages.ts'
import { listens } from '../loopback.ts'
import type { Site } from '../site.ts'

export interface Realm {
  readonly name: string
  /** Names the configuration to whoever uses the realm. */
  readonly env: Readonly<Record<string, string>>
  keytab(principal: string): string
  /** Logs in by keytab, into a file of its own; resolves with the environment that uses it. */
  login(principal: string): Promise<Readonly<Record<string, string>>>
}

const name = 'SUPERCARGO.TEST'
const startTimeoutMs = 60_000

export async function startRealm(site: Site, tree: DebianTree, principals: readonly string[]): Promise<Realm> {
  const directory = site.folder('realm')
  const port = await site.port('kdc')
  const own = { KRB5_CONFIG: join(directory, 'krb5.conf'), KRB5_KDC_PROFILE: join(directory, 'kdc.conf') }
  const env = { ...tree.env, ...own }
  await writeFile(own.KRB5_CONFIG, clientConfiguration(join(tree.directory, libraryFolder, 'krb5', 'plugins'), port))
  await writeFile(own.KRB5_KDC_PROFILE, serverConfiguration(directory, port))
  const options = { env, site: site.directory, signal: site.signal }
  const master = randomBytes(16).toString('hex')
  await command(['kdb5_util', 'create', '-s', '-r', name], { ...options, input: `${master}\n${master}\n` })
  const keytab = (principal: string): string => join(directory, `${principal.replace('/', '-')}.keytab`)
  const orders = principals.flatMap((each) => [`addprinc -randkey ${each}`, `ktadd -k ${keytab(each)} ${each}`])
  await command(['kadmin.local', '-r', name], { ...options, input: `${orders.join('\n')}\nquit\n` })
  const kdc = await site.spawn({ name: 'krb5kdc', argv: ['krb5kdc', '-n', '-r', name], env, graceMs: 2000 })
  await kdc.ready(() => listens(port), startTimeoutMs)
  return {
    name,
    env: { KRB5_CONFIG: own.KRB5_CONFIG },
    keytab,
    login: async (principal) => {
      const tickets = { KRB5CCNAME: `FILE:${join(directory, `${principal.replace('/', '-')}.tickets`)}` }
      await command(['kinit', '-k', '-t', keytab(principal), principal], { ...options, env: { ...env, ...tickets } })
      return { KRB5_CONFIG: own.KRB5_CONFIG, ...tickets }
    },
  }
}

/** Nobody asks a name server: everything is on this machine. */
function clientConfiguration(plugins: string, port: number): string {
  return `[libdefaults]
  default_realm = ${name}
  dns_lookup_realm = false
  dns_lookup_kdc = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
  plugin_base_dir = ${plugins}
[realms]
  ${name} = {
    kdc = 127.0.0.1:${port}
  }
[domain_realm]
  localhost = ${name}
[dbmodules]
  db_module_dir = ${join(plugins, 'kdb')}
`
}

function serverConfiguration(directory: string, port: number): string {
  return `[kdcdefaults]
  kdc_listen = 127.0.0.1:${port}
  kdc_tcp_listen = 127.0.0.1:${port}
[realms]
  ${name} = {
    database_name = ${directory}/principal
    key_stash_file = ${directory}/stash
    acl_file = ${directory}/kadm5.acl
    supported_enctypes = aes256-cts-hmac-sha1-96:normal
    max_life = 1d
    max_renewable_life = 7d
  }
[logging]
  kdc = STDERR
  default = STDERR
`
}
