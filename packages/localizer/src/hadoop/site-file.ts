/** One of Hadoop's `*-site.xml` files, as the list of properties that it sets. No I/O. */
import { SupercargoError } from '@supercargo/protocol'
import { XMLParser, XMLValidator } from 'fast-xml-parser'

export interface SiteProperty {
  readonly name: string
  readonly value: string
  /** No later file may set it anew. */
  readonly final: boolean
}

/** What the parser makes of an element: its name holds its children, `:@` its attributes. */
type Node = Readonly<Record<string, unknown>>

const attributesKey = ':@'
const textKey = '#text'
const cdataKey = '#cdata'
const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  cdataPropName: cdataKey,
  processEntities: false,
})

/**
 * Properties in the order of the file, names trimmed, values as they are written. Throws kind `invalid` for what is no
 * configuration of Hadoop, for inclusions and for a document type: a file that is read in part would mean something else.
 * No message holds a value.
 */
export function parseSiteFile(text: string, file: string): SiteProperty[] {
  const xml = text.replace(/^\ufeff/, '')
  const unreadable = (why: string, hint?: string): SupercargoError =>
    new SupercargoError('invalid', 'bad-hadoop-configuration', `${file} ${why}`, { hint })
  if (/<!DOCTYPE/i.test(xml)) throw unreadable('has a document type, which is not read', 'remove the DOCTYPE')
  const validity = XMLValidator.validate(xml)
  if (validity !== true)
    throw unreadable(`is not XML: line ${validity.err.line}, ${validity.err.code.replace('Invalid', 'invalid ')}`)
  const roots = (parser.parse(xml) as Node[]).filter((node) => nameOf(node) !== textKey)
  if (roots.length !== 1 || nameOf(roots[0]!) !== 'configuration')
    throw unreadable('has another root than <configuration>', 'mount the site files of Hadoop as they are')
  return [...propertiesOf(roots[0]!, unreadable)]
}

type Unreadable = (why: string, hint?: string) => SupercargoError

function* propertiesOf(configuration: Node, unreadable: Unreadable): Generator<SiteProperty> {
  for (const node of childrenOf(configuration)) {
    const name = nameOf(node)
    if (/^(\w+:)?include$/.test(name))
      throw unreadable('includes another file, which is not followed', 'merge the included file into this one')
    if (name === 'configuration') yield* propertiesOf(node, unreadable)
    if (name !== 'property') continue
    const fields = new Map(Object.entries((node[attributesKey] ?? {}) as Record<string, string>))
    for (const [key, value] of fields) fields.set(key, decoded(value, unreadable))
    for (const field of childrenOf(node)) fields.set(nameOf(field), contentOf(field, unreadable))
    const key = fields.get('name')?.trim() ?? ''
    const value = fields.get('value')
    // A property without a value sets nothing, as with Hadoop.
    if (key !== '' && value !== undefined)
      yield { name: key, value, final: fields.get('final')?.trim().toLowerCase() === 'true' }
  }
}

function contentOf(field: Node, unreadable: Unreadable): string {
  return childrenOf(field)
    .map((part) => {
      const name = nameOf(part)
      if (name === textKey) return decoded(part[textKey] as string, unreadable)
      if (name === cdataKey)
        return childrenOf(part)
          .map((raw) => raw[textKey] as string)
          .join('')
      throw unreadable(`has an element <${name}> inside a property's <${nameOf(field)}>`)
    })
    .join('')
}

function decoded(text: string, unreadable: Unreadable): string {
  return text.replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (_, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) {
      const known = entities[name]
      if (known === undefined) throw unreadable(`uses an entity that XML does not define`)
      return known
    }
    const code = decimal === undefined ? Number.parseInt(hex!, 16) : Number(decimal)
    if (code === 0 || code > 0x10ffff) throw unreadable('names a character that is none')
    return String.fromCodePoint(code)
  })
}

function nameOf(node: Node): string {
  return Object.keys(node).find((key) => key !== attributesKey) ?? ''
}

function childrenOf(node: Node): readonly Node[] {
  return node[nameOf(node)] as readonly Node[]
}
