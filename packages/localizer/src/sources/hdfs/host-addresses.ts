/** The addresses of hosts: given by the plan, learnt from a NameNode, or asked for. */
import { lookup } from 'node:dns/promises'
import { addressFault } from '@supercargo/transfer'

export class HostAddresses {
  /** By host name in lower case: what is not to be asked for. */
  readonly known: Map<string, string>

  constructor(hosts: ReadonlyMap<string, string>) {
    this.known = new Map(hosts)
  }

  /** Empty for a name that nobody knows. */
  async of(host: string): Promise<string[]> {
    const plain = host.replace(/^\[|\]$/g, '')
    const known = this.known.get(plain.toLowerCase())
    if (known !== undefined) return [known]
    const found = await lookup(plain, { all: true }).catch(() => {
      // Whoever dials it says so.
      return []
    })
    return found.map(({ address }) => address)
  }

  /** Whether the host is this machine. */
  async isOwn(host: string): Promise<boolean> {
    const addresses = await this.of(host)
    return (
      addresses.length > 0 &&
      addresses.every((address) => addressFault(address, { metadata: true, own: false }) !== undefined)
    )
  }
}
