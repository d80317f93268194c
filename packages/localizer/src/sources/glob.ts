/** Patterns in URIs by Hadoop's rules: `*`, `[a-c]`, `[^x]` within one part of a path, `{a,b/c}` anywhere. No I/O. */
import { printable, SupercargoError } from '@supercargo/protocol'

/** Of one URI; nested braces multiply. */
const alternativesMax = 1000

/** A `?` is none: in a URI it begins the query. */
export function isPattern(text: string): boolean {
  return /[*[{]/.test(text)
}

/** Every pattern without braces that the text stands for, in its order. Throws kind `invalid` for unbalanced or too many. */
export function patternsOf(text: string): string[] {
  const found = new Set<string>()
  const open = [text]
  while (open.length > 0) {
    const pattern = open.pop()!
    const braces = firstBraces(pattern)
    if (braces === undefined) found.add(pattern)
    else open.push(...braces.options.map((option) => braces.before + option + braces.after).reverse())
    if (found.size + open.length > alternativesMax)
      throw badPattern(text, `stands for more than ${alternativesMax} paths`)
  }
  return [...found]
}

/** Whether a name fits one part of a pattern. `decode` is applied to what is no sign. */
export function segmentMatcher(segment: string, decode: (text: string) => string = (text) => text): RegExp {
  let source = ''
  for (const [, star, negation, members, literal] of segment.matchAll(/(\*)|\[([!^]?)(\]?[^\]]*)\]|([^*[]+|\[)/g)) {
    if (star !== undefined) source += '.*'
    else if (members !== undefined) source += memberSource(segment, negation!, decode(members))
    else if (literal === '[') throw badPattern(segment, 'has a [ without its ]')
    else source += decode(literal!).replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
  }
  return new RegExp(`^${source}$`, 'su')
}

function memberSource(segment: string, negation: string, members: string): string {
  const escaped = members.replace(/[\\\]^[]/g, '\\$&').replace(/^-|-$/g, '\\-')
  try {
    return new RegExp(`[${negation === '' ? '' : '^'}${escaped}]`, 'u').source
  } catch (cause) {
    throw badPattern(segment, 'has a range of characters that is none', cause)
  }
}

/** The first braces that are not inside others, and what stands between their commas. */
function firstBraces(text: string): { before: string; options: string[]; after: string } | undefined {
  const start = text.indexOf('{')
  if (start < 0) return undefined
  const options: string[] = []
  let depth = 0
  let begun = start + 1
  for (let at = start; at < text.length; at++) {
    const sign = text[at]
    if (sign === '{') depth++
    if (sign === '}') depth--
    if ((sign === ',' && depth === 1) || depth === 0) {
      options.push(text.slice(begun, at))
      begun = at + 1
    }
    if (depth === 0) return { before: text.slice(0, start), options, after: text.slice(at + 1) }
  }
  throw badPattern(text, 'has a { without its }')
}

function badPattern(pattern: string, why: string, cause?: unknown): SupercargoError {
  return new SupercargoError('invalid', 'bad-pattern', `the pattern ${printable(pattern)} ${why}`, {
    cause,
    hint: 'a sign that is meant as it is can be written in percent encoding',
  })
}
