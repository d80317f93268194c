/** The pages of the documentation site: what is in it, and in which order. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { alertsPage, apiPage, commandsPage, errorsPage, metricsPage } from './generated-pages.ts'

export interface Page {
  /** Where it is in the site, without the extension. */
  readonly name: string
  readonly title: string
  readonly section: string
  /** The Markdown file in the repository, relative to its top; undefined for a page that is generated. */
  readonly file: string | undefined
  readonly markdown: string
}

export const repository = resolve(import.meta.dirname, '../..')

/** Files, by section. A Markdown file below docs/ that is not named here comes last in the section of its folder. */
const written: Readonly<Record<string, readonly string[]>> = {
  Start: ['docs/index.md', 'docs/quick-start.md', 'docs/which-way.md'],
  'The four ways in': ['docs/submit.md', 'docs/wrap.md', 'docs/inject.md', 'docs/front-door.md'],
  Examples: [],
  Operate: ['deploy/README.md', 'docs/operating.md', 'SECURITY.md'],
  Reference: ['packages/localizer/README.md'],
}
/** Folders below docs/ and the section to which their pages belong. */
const folders: Readonly<Record<string, string>> = { examples: 'Examples' }

const generated = { commands: commandsPage, errors: errorsPage, metrics: metricsPage, alerts: alertsPage, api: apiPage }

export async function readPages(): Promise<Page[]> {
  const pages: Page[] = []
  const named = new Set(Object.values(written).flat())
  const others = readdirSync(join(repository, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md') && !named.has(`docs/${file}`))
    .sort()
  for (const [section, files] of Object.entries(written)) {
    const found = others.filter((file) => folders[file.split('/')[0]!] === section).map((file) => `docs/${file}`)
    for (const file of [...files, ...found]) pages.push(pageOf(section, file))
  }
  const placed = new Set(pages.map(({ file }) => file))
  const lost = others.filter((file) => !placed.has(`docs/${file}`))
  if (lost.length > 0) throw new Error(`docs/${lost.join(', docs/')}: name it in test/docs/pages.ts`)
  for (const [name, make] of Object.entries(generated)) {
    const markdown = await make()
    pages.push({ name, title: titleOf(markdown, name), section: 'Reference', file: undefined, markdown })
  }
  return pages
}

function pageOf(section: string, file: string): Page {
  const markdown = readFileSync(join(repository, file), 'utf8')
  return { name: nameOf(file), title: titleOf(markdown, file), section, file, markdown }
}

/** `docs/` is the top of the site; a README is called after its folder. */
function nameOf(file: string): string {
  return file
    .replace(/^docs\//, '')
    .replace(/^packages\//, '')
    .replace(/\/README\.md$/, '')
    .replace(/\.md$/, '')
    .replaceAll('/', '-')
    .toLowerCase()
}

function titleOf(markdown: string, file: string): string {
  const title = /^# (.+)$/m.exec(markdown)?.[1]
  if (title === undefined) throw new Error(`${file} has no title`)
  return title.replaceAll('`', '')
}
