/** Java properties as text that `java.util.Properties.load` reads back unchanged, in ASCII. */

/** One `key=value` a line, in the order given. */
export function propertiesText(properties: Iterable<readonly [string, string]>): string {
  return [...properties].map(([key, value]) => `${escapedKey(key)}=${escaped(value)}\n`).join('')
}

function escapedKey(key: string): string {
  return body(key).replace(/[ :=#!]/g, '\\$&')
}

/** Blanks at the start would be dropped. */
function escaped(value: string): string {
  return body(value).replace(/^ /, '\\ ')
}

/** What has a meaning or is not ASCII is written out. */
function body(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll('\t', '\\t')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\f', '\\f')
    .replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
