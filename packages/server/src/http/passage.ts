/** How a request came: from which address, and under which address the client asked, as far as trusted proxies tell. */
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import { printable, SupercargoError } from '@supercargo/protocol'

/** What is undefined was not told by anybody who is trusted. */
export interface Passage {
  /** The other end of the connection is a trusted proxy. */
  readonly proxied: boolean
  /** Whose request it is: the last address on the way that is no trusted proxy's. Undefined when they contradict each other. */
  readonly address: string | undefined
  readonly scheme: 'http' | 'https' | undefined
  /** With the port, where the client wrote one. */
  readonly host: string | undefined
  /** What a proxy took away from the beginning of the path; empty when none says so. */
  readonly prefix: string
}

/** What one proxy wrote about the side from which it was asked. */
interface Hop {
  readonly address: string | undefined
  readonly scheme?: string | undefined
  readonly host?: string | undefined
}

/**
 * Reads `X-Forwarded-{For,Proto,Host,Prefix}` and `Forwarded` (RFC 7239) of connections that come from these addresses or
 * blocks (`10.0.0.7`, `10.1.0.0/16`, `fd00::/8`). A proxy writes one of the two and may let the other one through as its
 * client wrote it: where both are there and name different clients, neither counts.
 */
export function createPassages(trustedProxies: readonly string[]): (request: IncomingMessage) => Passage {
  const trusted = blockList(trustedProxies)
  const isTrusted = (address: string | undefined): boolean =>
    address !== undefined && trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  return (request) => {
    const address = plainAddress(request.socket.remoteAddress)
    const unknown = { scheme: undefined, host: undefined, prefix: '' }
    if (!isTrusted(address)) return { proxied: false, address, ...unknown }
    const { headers } = request
    const prefix = prefixOf(listOf(headers['x-forwarded-prefix']).at(-1))
    const standard = walk(forwardedHops(headers.forwarded), address, isTrusted)
    const custom = walk(customHops(headers), address, isTrusted)
    if (standard === undefined || custom === undefined)
      return { proxied: true, ...unknown, address, ...(standard ?? custom), prefix }
    const agreed = standard.address === custom.address ? custom : { ...unknown, address: undefined }
    return { proxied: true, ...agreed, prefix }
  }
}

/** A block as a setting has it; undefined when it is none. */
export function parseBlock(
  text: string,
): { readonly address: string; readonly bits: number; readonly family: 'ipv4' | 'ipv6' } | undefined {
  const [, address = '', length] = /^([0-9A-Fa-f:.]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const version = isIP(address)
  const most = version === 6 ? 128 : 32
  const bits = length === undefined ? most : Number(length)
  return version === 0 || bits > most ? undefined : { address, bits, family: version === 6 ? 'ipv6' : 'ipv4' }
}

function blockList(blocks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const text of blocks) {
    const block = parseBlock(text)
    if (block === undefined)
      throw new SupercargoError('invalid', 'bad-block', `${printable(text)} is neither an address nor a block of them`)
    list.addSubnet(block.address, block.bits, block.family)
  }
  return list
}

/** From the nearest proxy outwards, as long as who asked it is a trusted one again. Undefined when nobody wrote anything. */
function walk(
  hops: readonly Hop[],
  peer: string | undefined,
  isTrusted: (address: string | undefined) => boolean,
): Pick<Passage, 'address' | 'scheme' | 'host'> | undefined {
  if (hops.length === 0) return undefined
  let address = peer
  let told: Hop | undefined
  for (let index = hops.length - 1; index >= 0 && isTrusted(address); index--) {
    told = hops[index]!
    address = told.address
  }
  return { address, scheme: schemeOf(told?.scheme), host: hostOf(told?.host) }
}

/** The lists need not be of one length: most proxies add to the addresses and write the rest anew. */
function customHops(headers: IncomingMessage['headers']): readonly Hop[] {
  const addresses = listOf(headers['x-forwarded-for'])
  const schemes = listOf(headers['x-forwarded-proto'])
  const hosts = listOf(headers['x-forwarded-host'])
  const count = Math.max(addresses.length, 1)
  if (addresses.length + schemes.length + hosts.length === 0) return []
  const from = (list: readonly string[], fromEnd: number): string | undefined => list.at(-1 - fromEnd) ?? list[0]
  return Array.from({ length: count }, (_, index) => {
    const fromEnd = count - 1 - index
    return { address: nodeAddress(addresses[index]), scheme: from(schemes, fromEnd), host: from(hosts, fromEnd) }
  })
}

/** RFC 7239 section 4: elements by commas, pairs by semicolons, values plain or in quotes. */
function forwardedHops(field: string | undefined): readonly Hop[] {
  const hops: Hop[] = []
  for (const element of (field ?? '').match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? []) {
    const pairs = new Map<string, string>()
    for (const [, name, quoted, plain] of element.matchAll(/([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^;,"\s]*))/g))
      pairs.set(name!.toLowerCase(), plain ?? quoted!.replace(/\\(.)/g, '$1'))
    hops.push({ address: nodeAddress(pairs.get('for')), scheme: pairs.get('proto'), host: pairs.get('host') })
  }
  return hops
}

function listOf(field: string | string[] | undefined): readonly string[] {
  const text = Array.isArray(field) ? field.join(',') : (field ?? '')
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** An address with or without a port; undefined for what hides it (`unknown`, `_name`) and for what is none. */
function nodeAddress(text: string | undefined): string | undefined {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\](?::\d+)?|([^:]+)(?::\d+)?)$/.exec(text ?? '') ?? []
  return plainAddress(bracketed ?? plain ?? text)
}

/** An IPv4 address that came by an IPv6 socket is written as IPv4. */
function plainAddress(text: string | undefined): string | undefined {
  const address = text?.replace(/^::ffff:(?=\d+\.)/i, '')
  return address !== undefined && isIP(address) !== 0 ? address : undefined
}

function schemeOf(text: string | undefined): Passage['scheme'] {
  const scheme = text?.toLowerCase()
  return scheme === 'http' || scheme === 'https' ? scheme : undefined
}

function hostOf(text: string | undefined): string | undefined {
  return text !== undefined && /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$/.test(text) ? text : undefined
}

function prefixOf(text: string | undefined): string {
  const prefix = (text ?? '').replace(/\/+$/, '')
  return /^(\/[A-Za-z0-9._~-]+)+$/.test(prefix) ? prefix : ''
}
