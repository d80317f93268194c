/** HTML as values: a template that escapes everything which is not HTML already. */

/** Text that is HTML. Only `html` makes it, so whatever else is put into a page is escaped. */
export class Html {
  readonly #text: string

  constructor(parts: readonly string[], values: readonly HtmlPart[]) {
    this.#text = parts.map((part, position) => (position === 0 ? part : written(values[position - 1]) + part)).join('')
  }

  toString(): string {
    return this.#text
  }
}

export type HtmlPart = Html | string | number | undefined | readonly Html[]

/** Attributes have to be quoted. */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlPart[]): Html {
  return new Html(parts, values)
}

function written(part: HtmlPart): string {
  if (part === undefined) return ''
  if (part instanceof Html) return part.toString()
  if (typeof part === 'object') return part.join('')
  return String(part).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
