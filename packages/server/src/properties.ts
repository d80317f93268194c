/** Java's properties syntax (java.util.Properties): what the 2017 server was configured with. */

/** Keys and values, escapes resolved. Later lines win. */
export function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>()
  for (const line of logicalLines(text)) {
    const match = /^((?:\\.|[^\\=:\s])*)[ \t\f]*(?:[=:][ \t\f]*)?(.*)$/s.exec(line)
    if (match !== null) properties.set(unescaped(match[1]!), unescaped(match[2]!))
  }
  return properties
}

/** `${env:NAME}` and `${key}` in values, as Spark resolves them; what cannot be resolved stays as it is written. */
export function substitute(
  properties: ReadonlyMap<string, string>,
  environment: Readonly<Record<string, string | undefined>>,
): Map<string, string> {
  const resolve = (value: string, within: readonly string[]): string =>
    value.replace(
      /\$\{(?:env:([^}]+)|([^}:]+))\}/g,
      (whole: string, variable: string | undefined, key: string | undefined) => {
        if (variable !== undefined) return environment[variable] ?? whole
        const other = properties.get(key!)
        return other === undefined || within.includes(key!) ? whole : resolve(other, [...within, key!])
      },
    )
  return new Map([...properties].map(([key, value]) => [key, resolve(value, [key])]))
}

/** Without comments and empty lines; a line that ends in an odd number of backslashes goes on in the next. */
function logicalLines(text: string): string[] {
  const lines: string[] = []
  let open: string | undefined
  for (const natural of text.split(/\r\n|\r|\n/)) {
    const line = natural.replace(/^[ \t\f]+/, '')
    if (open === undefined && (line === '' || line.startsWith('#') || line.startsWith('!'))) continue
    const whole: string = (open ?? '') + line
    const backslashes = /\\*$/.exec(whole)![0].length
    open = backslashes % 2 === 1 ? whole.slice(0, -1) : undefined
    if (open === undefined) lines.push(whole)
  }
  if (open !== undefined) lines.push(open)
  return lines
}

function unescaped(text: string): string {
  return text.replace(
    /\\(?:u([0-9A-Fa-f]{4})|(.))/gs,
    (_whole, hex: string | undefined, letter: string | undefined) => {
      if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
      return ({ t: '\t', n: '\n', r: '\r', f: '\f' } as Record<string, string>)[letter!] ?? letter!
    },
  )
}
