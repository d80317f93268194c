/** Every error code of the product, read from its sources: where an error is made, and the tables of codes. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { type ErrorKind, kindTable } from '@supercargo/protocol'

export interface ErrorCode {
  readonly kind: ErrorKind
  readonly code: string
  /** As written, with ‹names› for what is put in. */
  readonly message: string
  readonly hint: string | undefined
  readonly package: string
}

const packages = resolve(import.meta.dirname, '../../packages')

/** Sorted by code; one of the same kind and code once for each message. Codes that are put together at run time are not among them. */
export function errorCodes(): ErrorCode[] {
  const found = new Map<string, ErrorCode>()
  for (const file of sources()) {
    const text = readFileSync(file, 'utf8')
    const owner = relative(packages, file).split('/')[0]!
    for (const each of [...madeIn(text), ...tabledIn(text)])
      found.set(`${each.code} ${each.kind} ${each.message}`, { ...each, package: owner })
  }
  return [...found.values()].sort((a, b) => (a.code === b.code ? 0 : a.code < b.code ? -1 : 1))
}

function sources(): string[] {
  return readdirSync(packages, { recursive: true, encoding: 'utf8' })
    .filter((file) => /^[a-z]+\/src\/.*\.ts$/.test(file) && !/\.test\.ts$|\/testing\//.test(file))
    .map((file) => join(packages, file))
    .sort()
}

type Found = Omit<ErrorCode, 'package'>

/** `new SupercargoError('kind', 'code', message, { hint })`, and what passes the same on. */
function* madeIn(text: string): Generator<Found> {
  for (const { index } of text.matchAll(/\w\(\s*'[a-zA-Z]+',\s*'[a-z0-9-]+'/g)) {
    const [kind, code, message = '', options = ''] = argumentsAt(text, text.indexOf('(', index) + 1)
    const known = unquoted(kind)
    if (known === undefined || !isKind(known) || !/^'[a-z0-9-]+'$/.test(code ?? '')) continue
    yield { kind: known, code: unquoted(code)!, message: readable(message), hint: hintIn(options) }
  }
}

/** Rows of tables: `{ kind: 'denied', code: 's3-access-denied', says: '…', hint: '…' }`, their keys in any order. */
function* tabledIn(text: string): Generator<Found> {
  for (const [row] of text.matchAll(/\{[^{}]*\bcode: '[a-z0-9-]+'[^{}]*\}/g)) {
    const kind = valueIn(row, 'kind')
    const code = valueIn(row, 'code')
    const says = valueIn(row, 'says') ?? valueIn(row, 'message')
    if (kind === undefined || !isKind(kind) || code === undefined || says === undefined) continue
    yield { kind, code, message: says, hint: valueIn(row, 'hint') }
  }
}

const isKind = (text: string): text is ErrorKind => Object.hasOwn(kindTable, text)
const string = `'(?:[^'\\\\]|\\\\.)*'|"(?:[^"\\\\]|\\\\.)*"|\`(?:[^\`\\\\]|\\\\.)*\``

function valueIn(row: string, key: string): string | undefined {
  const value = new RegExp(`\\b${key}:\\s*(${string})`).exec(row)?.[1]
  return value === undefined ? undefined : readable(value)
}

function hintIn(options: string): string | undefined {
  return valueIn(options, 'hint')
}

const unquoted = (literal: string | undefined): string | undefined => /^'(.*)'$/.exec(literal ?? '')?.[1]

/** The source text of each argument of a call, from behind its opening parenthesis. */
function argumentsAt(text: string, start: number): string[] {
  const found: string[] = []
  let depth = 0
  let begin = start
  for (let at = start; at < text.length; at++) {
    const char = text[at]!
    if (`'"\``.includes(char)) at = endOfString(text, at)
    else if ('([{'.includes(char)) depth++
    else if (')]}'.includes(char) && depth-- === 0) return [...found, text.slice(begin, at).trim()]
    else if (char === ',' && depth === 0) {
      found.push(text.slice(begin, at).trim())
      begin = at + 1
    }
  }
  return found
}

/** Where the string that begins here ends; templates may hold code, which may hold strings. */
function endOfString(text: string, start: number): number {
  const quote = text[start]!
  let depth = 0
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at]!
    if (char === '\\') at++
    else if (quote === '`' && char === '$' && text[at + 1] === '{') depth++
    else if (depth > 0) {
      if (char === '}') depth--
      else if (`'"\``.includes(char)) at = endOfString(text, at)
    } else if (char === quote) return at
  }
  return text.length
}

/** A literal as a reader sees it: pieces that are put together joined, and what is put in by its name. */
function readable(source: string): string {
  const literal = /^['"`]/.test(source) ? source.slice(1, endOfString(source, 0)) : `\${${source}}`
  let out = ''
  for (let at = 0; at < literal.length; at++) {
    if (literal[at] === '\\') out += literal[++at] ?? ''
    else if (literal.startsWith('${', at)) {
      const end = endOfHole(literal, at + 2)
      out += `‹${nameOf(literal.slice(at + 2, end))}›`
      at = end
    } else out += literal[at]
  }
  return out
}

function endOfHole(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    if (`'"\``.includes(text[at]!)) at = endOfString(text, at)
    else if (text[at] === '{') depth++
    else if (text[at] === '}' && depth-- === 0) return at
  }
  return text.length
}

/** `formatBytes(limits.fileBytesMax)` is a file bytes max. */
function nameOf(expression: string): string {
  const name = /[A-Za-z]\w*(?=\W*$)/.exec(expression.replaceAll(/'[^']*'|\.\w+\([^()]*\)/g, ''))?.[0] ?? '…'
  return name.replaceAll(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`)
}
