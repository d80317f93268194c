/** Which addresses may be dialled: checked on the address that the connection really uses, so a name cannot change in between. */
import { lookup as resolveName } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { SupercargoError } from '@supercargo/protocol'

/** Cloud metadata services and link-local addresses: they hand credentials to whoever asks from a pod. */
const metadata = blockList([
  ['169.254.0.0', 16, 'ipv4'],
  ['100.100.100.200', 32, 'ipv4'],
  ['192.0.0.192', 32, 'ipv4'],
  ['fe80::', 10, 'ipv6'],
  ['fd00:ec2::', 32, 'ipv6'],
])

const own = blockList([
  ['127.0.0.0', 8, 'ipv4'],
  ['0.0.0.0', 8, 'ipv4'],
  ['::1', 128, 'ipv6'],
  ['::', 128, 'ipv6'],
])

const metadataFault = 'it is a metadata or link-local address'
const ownFault = "it is this machine's own address"
const hints = new Map([
  [metadataFault, 'if that is meant, allow it for this origin (allowMetadata in the http section of a plan)'],
  [ownFault, 'a redirect may not lead to the machine that follows it'],
])

export interface AddressPolicy {
  /** Allow metadata and link-local addresses. */
  readonly metadata: boolean
  /** Allow this machine's own addresses. A redirect from elsewhere may not lead there. */
  readonly own: boolean
  /** Addresses of host names (in lower case) that are not to be asked for, as in `/etc/hosts`. They are checked like any other. */
  readonly hosts?: ReadonlyMap<string, string> | undefined
}

/** Why an address must not be dialled, or undefined. An IPv4 address inside IPv6 (`::ffff:…`) counts as what it is. */
export function addressFault(address: string, policy: AddressPolicy): string | undefined {
  const plain = address.replace(/^\[|\]$/g, '').replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '')
  const family = isIP(plain) === 6 ? 'ipv6' : 'ipv4'
  if (!policy.metadata && metadata.check(plain, family)) return metadataFault
  if (!policy.own && own.check(plain, family)) return ownFault
  return undefined
}

/** Throws kind `unsafe` when a URL's host is an address literal that the policy refuses (net.connect looks up names only). */
export function checkAddressLiteral(url: URL, policy: AddressPolicy): void {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const fault = isIP(host) === 0 ? undefined : addressFault(host, policy)
  if (fault !== undefined) throw addressError(host, host, fault)
}

/** A DNS lookup for net.connect that gives out only addresses the policy allows. */
export function guardedLookup(policy: AddressPolicy): LookupFunction {
  return (hostname, options, callback) => {
    const known = policy.hosts?.get(hostname.toLowerCase())
    // An address resolves to itself.
    resolveName(known ?? hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, [])
      const faults = addresses.map(({ address }) => addressFault(address, policy))
      const allowed = addresses.filter((_, index) => faults[index] === undefined)
      if (allowed.length === 0) {
        return callback(addressError(hostname, addresses[0]?.address ?? '', faults[0] ?? 'it has no address'), [])
      }
      if (options.all === true) callback(null, allowed)
      else callback(null, allowed[0]!.address, allowed[0]!.family)
    })
  }
}

/** `host` is what was asked for, `address` what it led to. */
export function addressError(host: string, address: string, fault: string): SupercargoError & NodeJS.ErrnoException {
  const name = host === address ? address : `${host} (${address})`
  return new SupercargoError('unsafe', 'address-refused', `the address ${name} is refused: ${fault}`, {
    hint: hints.get(fault),
  }) as SupercargoError & NodeJS.ErrnoException
}

function blockList(subnets: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[]): BlockList {
  const list = new BlockList()
  for (const [network, prefix, family] of subnets) list.addSubnet(network, prefix, family)
  return list
}
