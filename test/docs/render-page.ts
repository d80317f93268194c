/** One page of the site: Markdown to a whole document, with links between pages, anchors, and a table of contents beside it. */
import { posix } from 'node:path'
import { Marked, type Tokens } from 'marked'
import type { Page } from './pages.ts'

/** @param pages All of them: for links, and for the list beside the text. */
export function renderPage(page: Page, pages: readonly Page[]): string {
  const anchors = anchorNames()
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth, text }: Tokens.Heading): string {
        const id = anchors(text)
        return `<h${depth} id="${id}">${this.parser.parseInline(tokens)} <a class="anchor" href="#${id}" aria-label="link to this section">#</a></h${depth}>\n`
      },
      link({ href, tokens }: Tokens.Link): string {
        const text = this.parser.parseInline(tokens)
        const target = targetOf(href, page, pages)
        return target === undefined ? text : `<a href="${escapeHtml(target)}">${text}</a>`
      },
      table(token: Tokens.Table): string {
        const row = (cells: Tokens.TableCell[], tag: string): string =>
          `<tr>${cells.map((cell) => `<${tag}>${this.parser.parseInline(cell.tokens)}</${tag}>`).join('')}</tr>`
        const body = token.rows.map((cells) => row(cells, 'td')).join('\n')
        return `<div class="table"><table><thead>${row(token.header, 'th')}</thead><tbody>${body}</tbody></table></div>\n`
      },
    },
  })
  const body = marked.parse(page.markdown, { async: false })
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(page.title)}${page.name === 'index' ? '' : ' – Supercargo'}</title>
<link rel="stylesheet" href="style.css">
</head>
<body>
<a class="skip" href="#text">to the text</a>
<nav aria-label="pages">
${contents(page, pages)}
</nav>
<main id="text">
${body}</main>
</body>
</html>
`
}

/** Headings of a Markdown text as the anchors that they get. */
export function anchorsIn(markdown: string): Set<string> {
  const anchors = anchorNames()
  const found = new Set<string>()
  const headings = new Marked({
    walkTokens: (token) => void (token.type === 'heading' && found.add(anchors(token.text))),
  })
  headings.parse(markdown, { async: false })
  return found
}

/** As GitHub makes them; a second one of the same name gets a number. */
function anchorNames(): (heading: string) => string {
  const seen = new Map<string, number>()
  return (heading) => {
    const name = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-')
    const count = seen.get(name) ?? 0
    seen.set(name, count + 1)
    return count === 0 ? name : `${name}-${count}`
  }
}

/** Where a link of the repository leads in the site; undefined when it leads to a file that is not a page. */
function targetOf(href: string, from: Page, pages: readonly Page[]): string | undefined {
  if (/^[a-z]+:/.test(href) || href.startsWith('#')) return href
  const [path = '', anchor] = href.split('#')
  const hash = anchor === undefined ? '' : `#${anchor}`
  const generated = pages.find(({ file, name }) => file === undefined && (name === path || `${name}.md` === path))
  if (generated !== undefined) return `${generated.name}.html${hash}`
  const file = posix.normalize(posix.join(posix.dirname(from.file ?? 'docs/generated.md'), path))
  const page = pages.find((each) => each.file === file || each.file === posix.join(file, 'README.md'))
  return page === undefined ? undefined : `${page.name}.html${hash}`
}

function contents(page: Page, pages: readonly Page[]): string {
  const sections = Map.groupBy(pages, ({ section }) => section)
  return [...sections]
    .map(([section, members]) => {
      const items = members.map(({ name, title }) => {
        const current = name === page.name ? ' aria-current="page"' : ''
        return `<li><a href="${name}.html"${current}>${escapeHtml(title)}</a></li>`
      })
      return `<h2>${escapeHtml(section)}</h2>\n<ul>\n${items.join('\n')}\n</ul>`
    })
    .join('\n')
}

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`)
}
