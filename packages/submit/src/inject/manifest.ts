/**
 * A stream of YAML documents that is edited in place: what is not touched stays as it was written, byte for byte, and in a
 * document that is touched comments, key order and the spelling of every value survive.
 */
import { SupercargoError } from '@supercargo/protocol'
import {
  type Document,
  isScalar,
  LineCounter,
  type Node,
  parse,
  parseDocument,
  type ScalarTag,
  type ToStringOptions,
  visit,
} from 'yaml'

export interface ManifestDocument {
  /** The line with `---` that it begins with; empty for the first when it has none. */
  readonly marker: string
  /** What follows that line, as it was written. */
  readonly text: string
  /** Undefined for a document without content. */
  readonly yaml: Document.Parsed | undefined
  /** `FILE:LINE` of an offset in the text. */
  readonly where: (offset?: number) => string
}

/** kubectl reads YAML 1.1, where `yes` and `0644` are no texts. Here every plain value keeps its spelling, so it is one. */
const parsing = { schema: 'failsafe', keepSourceTokens: false, merge: false } as const
const number: ScalarTag = {
  tag: 'tag:yaml.org,2002:int',
  default: true,
  identify: (value) => typeof value === 'number',
  resolve: (text) => text,
  stringify: ({ value }) => String(value),
}
const bool: ScalarTag = {
  ...number,
  tag: 'tag:yaml.org,2002:bool',
  identify: (value) => typeof value === 'boolean',
}
/** What a reader of YAML 1.1 could take for something else than a text. */
const spelledAmong = /^(y|n|yes|no|on|off|true|false|null|~)$/i

/** Throws kind `invalid`, code `bad-manifest`, with the file and the line. */
export function readManifest(text: string, file: string): ManifestDocument[] {
  const documents: ManifestDocument[] = []
  let line = 1
  for (const chunk of text.replace(/^\uFEFF/, '').split(/^(?=---(?:[ \t\r\n]|$))/m)) {
    documents.push(readDocument(chunk, file, line))
    line += chunk.split('\n').length - 1
  }
  return documents
}

/** The stream, with the documents as they are now. */
export function writeManifest(documents: readonly ManifestDocument[]): string {
  return documents
    .filter(({ marker, text }) => marker !== '' || text !== '')
    .map(({ marker, text }, index) => `${index > 0 && marker === '' ? '---\n' : marker}${ended(text)}`)
    .join('')
}

/** The same document with the text of what its nodes say now. */
export function rewritten(document: ManifestDocument): ManifestDocument {
  const crlf = document.text.includes('\r\n')
  // Without it `{a: }` is written `{a:}`, which readers of YAML 1.1 take for a key of two characters.
  visit(document.yaml!, {
    Map: (_, { flow, items }) => {
      if (flow !== true) return
      for (const { value } of items)
        if (isScalar(value) && value.value === null && value.source === '') value.source = 'null'
    },
  })
  const text = document.yaml!.toString(styleOf(document.text))
  const marker = document.marker === '' || /^---[ \t]*(#.*)?\r?\n$/.test(document.marker) ? document.marker : '---\n'
  return { ...document, marker, text: crlf ? text.replaceAll('\n', '\r\n') : text }
}

/** A document of our own. */
export function newDocument(text: string): ManifestDocument {
  return { marker: '---\n', text, yaml: undefined, where: () => 'a document that was added' }
}

/** As kubectl would read it. */
export function contentOf({ text, where }: ManifestDocument): unknown {
  try {
    return parse(text, { version: '1.1', customTags: (tags) => tags.filter((tag) => !isTime(tag)) })
  } catch (error) {
    throw new SupercargoError('invalid', 'bad-manifest', `${where()} cannot be read`, { cause: error })
  }
}

/** A node for a value of ours. A text that could be read as something else is quoted. */
export function nodeOf(document: Document, value: unknown): Node {
  const node = document.createNode(value) as Node
  visit(node, {
    Scalar: (_, scalar) => {
      if (typeof scalar.value !== 'string') return
      if (scalar.value.includes('\n')) scalar.type = 'BLOCK_LITERAL'
      else if (scalar.value.includes('"')) scalar.type = 'QUOTE_SINGLE'
      else if (!/^[A-Za-z/][\w./:-]*$/.test(scalar.value) || spelledAmong.test(scalar.value))
        scalar.type = 'QUOTE_DOUBLE'
    },
  })
  return node
}

function readDocument(chunk: string, file: string, line: number): ManifestDocument {
  const end = chunk.startsWith('---') ? chunk.indexOf('\n') + 1 || chunk.length : 0
  const head = chunk.slice(0, end)
  // Content behind the marker belongs to the document.
  const plain = /^---[ \t]*(#.*)?\r?\n?$/.test(head)
  const marker = plain || head === '' ? head : '---'
  const text = chunk.slice(marker.length)
  const lines = new LineCounter()
  const yaml = parseDocument(text, {
    ...parsing,
    lineCounter: lines,
    customTags: (tags) => [...tags, 'null', number, bool],
  })
  const first = plain ? line + 1 : line
  const where = (offset = 0): string => `${file}:${first + lines.linePos(offset).line - 1}`
  const fault = yaml.errors[0]
  if (fault !== undefined)
    throw new SupercargoError('invalid', 'bad-manifest', `${where(fault.pos[0])} is not YAML`, {
      cause: new Error(fault.message),
      hint: /\{\{/.test(text)
        ? 'it looks like a template: render it first, with helm template for instance'
        : undefined,
    })
  const empty = yaml.contents === null || (yaml.toJS() ?? null) === null
  return { marker, text, yaml: empty ? undefined : yaml, where }
}

/** The habits of whoever wrote it. */
function styleOf(text: string): ToStringOptions {
  const lines = text.split('\n')
  const indents = lines.map((line) => /^( +)[^\s#-]/.exec(line)?.[1]?.length ?? 0).filter((each) => each > 0)
  const flat = lines.some((line, index) => {
    const key = /^( *)[^\s#-][^#]*:\s*$/.exec(line)
    return key !== null && lines[index + 1]?.startsWith(`${key[1]}- `) === true
  })
  return {
    lineWidth: 0,
    indent: indents.length === 0 ? 2 : Math.min(...indents),
    indentSeq: !flat,
    flowCollectionPadding: count(text, /(?:: |- )[{[] /g) > count(text, /(?:: |- )[{[][^\s\]}]/g),
  }
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0
}

function ended(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}

function isTime(tag: unknown): boolean {
  const { tag: name, format } = tag as { tag?: string; format?: string }
  return format === 'TIME' || name === 'tag:yaml.org,2002:timestamp'
}
