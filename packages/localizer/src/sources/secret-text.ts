/** Secrets and header lines from mounted files: read, cleaned of what editors and kubectl add, never shown. */
import { readFile } from 'node:fs/promises'
import { printable, Secret, SupercargoError } from '@supercargo/protocol'
import { fromFileSystemError } from '@supercargo/transfer'

/** Remembers every secret that was read, so that no text leaves the program with one in it. */
export class Redactor {
  readonly #values = new Set<string>()

  /** Shorter values are words, not secrets: to cut them out would only damage messages. */
  add(value: string): void {
    if (value.length >= 6) this.#values.add(value)
  }

  scrub(text: string): string {
    let clean = text
    for (const value of this.#values) clean = clean.replaceAll(value, '[secret]')
    return clean
  }
}

/** A secret file's text without a byte order mark and surrounding white space. Errors name the file, never its content. */
export async function readSecret(file: string, redactor: Redactor): Promise<Secret> {
  const text = (await readText(file)).trim()
  if (text === '') throw new SupercargoError('invalid', 'secret-file-empty', `the secret file ${file} is empty`)
  if (/[\u0000-\u001f\u007f]/.test(text)) {
    throw new SupercargoError(
      'invalid',
      'secret-file-damaged',
      `the secret file ${file} has a line break or control character inside`,
    )
  }
  redactor.add(text)
  return new Secret(text)
}

/** These belong to the exchange itself; to set them would break ranges or framing. */
const refusedHeaders = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'host',
  'if-match',
  'if-range',
  'range',
  'transfer-encoding',
])

/** `Name: value` lines; blank lines and lines that begin with `#` are passed over. */
export async function readHeaders(file: string, redactor: Redactor): Promise<Record<string, string>> {
  const fields: Record<string, string> = {}
  for (const [index, line] of (await readText(file)).split(/\r\n|\r|\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const match = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+)[ \t]*:[ \t]*(.*?)[ \t]*$/.exec(line)
    if (match === null || /[^\t\u0020-\u007e\u0080-\u00ff]/.test(match[2]!)) {
      throw new SupercargoError(
        'invalid',
        'bad-header-file',
        `line ${index + 1} of the header file ${file} is not "Name: value"`,
      )
    }
    const name = match[1]!.toLowerCase()
    if (refusedHeaders.has(name)) {
      throw new SupercargoError('invalid', 'bad-header-file', `the header file ${file} may not set ${printable(name)}`)
    }
    fields[name] = match[2]!
    redactor.add(match[2]!)
    redactor.add(match[2]!.replace(/^\S+\s+/, ''))
  }
  if (Object.keys(fields).length === 0)
    throw new SupercargoError('invalid', 'bad-header-file', `the header file ${file} has no header`)
  return fields
}

async function readText(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).replace(/^\ufeff/, '')
  } catch (error) {
    throw fromFileSystemError(error, `cannot read ${file}`)
  }
}
