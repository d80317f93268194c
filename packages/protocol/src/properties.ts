/** Java properties as `java.util.Properties.load` reads them, and the `${…}` references of Spark's configuration. */
import { SupercargoError } from './errors.ts'

const escapes: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

/** Keys and values, the last of equal keys. Throws kind `invalid` only for a malformed `\uXXXX`, as Java does. */
export function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>()
  for (const line of logicalLines(text)) {
    const { key, rest } = splitKey(line)
    properties.set(unescaped(key), unescaped(rest))
  }
  return properties
}

/**
 * Replaces `${env:NAME}` and `${key}` (another property) in every value. What cannot be resolved stays as it is written;
 * a reference that leads back to itself is kind `invalid`.
 */
export function substitute(
  properties: ReadonlyMap<string, string>,
  environment: Readonly<Record<string, string | undefined>>,
): Map<string, string> {
  const resolve = (value: string, open: readonly string[]): string =>
    value.replace(/\$\{(?:(\w+?):)?([^${}]+)\}/g, (whole, prefix: string | undefined, name: string) => {
      const found = prefix === 'env' ? environment[name] : prefix === undefined ? properties.get(name) : undefined
      if (found === undefined) return whole
      const reference = `${prefix ?? ''}:${name}`
      if (open.includes(reference)) {
        throw new SupercargoError(
          'invalid',
          'circular-reference',
          `the property reference \${${name}} leads back to itself`,
        )
      }
      return resolve(found, [...open, reference])
    })
  return new Map([...properties].map(([key, value]) => [key, resolve(value, [`:${key}`])]))
}

/** Natural lines joined where they end in an odd number of backslashes; comments and blank lines are gone. */
function* logicalLines(text: string): Generator<string> {
  const natural = text.replace(/^(\ufeff|\u00ef\u00bb\u00bf)/, '').split(/\r\n|\r|\n/)
  for (let index = 0; index < natural.length; index++) {
    let line = natural[index]!.replace(/^[ \t\f]+/, '')
    if (line === '' || line.startsWith('#') || line.startsWith('!')) continue
    while (/(^|[^\\])(\\\\)*\\$/.test(line)) {
      line = line.slice(0, -1)
      if (index + 1 === natural.length) break
      line += natural[++index]!.replace(/^[ \t\f]+/, '')
    }
    yield line
  }
}

/** The key ends at the first unescaped `=`, `:` or white space; one `=` or `:` and white space around it are dropped. */
function splitKey(line: string): { key: string; rest: string } {
  let end = 0
  while (end < line.length && !/[=: \t\f]/.test(line[end]!)) end += line[end] === '\\' ? 2 : 1
  const separator = /^[ \t\f]*[=:]?[ \t\f]*/.exec(line.slice(end))![0]
  return { key: line.slice(0, end), rest: line.slice(end + separator.length) }
}

function unescaped(text: string): string {
  return text.replace(/\\(u[0-9A-Fa-f]{0,4}|.|$)/gs, (_, after: string) => {
    if (!after.startsWith('u')) return escapes[after] ?? after
    if (after.length !== 5)
      throw new SupercargoError(
        'invalid',
        'bad-properties',
        'a \\u in the properties is not followed by four hex digits',
      )
    return String.fromCharCode(Number.parseInt(after.slice(1), 16))
  })
}
