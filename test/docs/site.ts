/** `npm run docs`: the documentation as static pages in dist/docs, with nothing that a browser would have to fetch from elsewhere. */
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { readPages, repository } from './pages.ts'
import { renderPage } from './render-page.ts'

const { values } = parseArgs({ options: { out: { type: 'string', default: join(repository, 'dist', 'docs') } } })
const out = resolve(values.out)

const pages = await readPages()
await rm(out, { recursive: true, force: true })
await mkdir(out, { recursive: true })
for (const page of pages) await writeFile(join(out, `${page.name}.html`), renderPage(page, pages))
await copyFile(join(import.meta.dirname, 'style.css'), join(out, 'style.css'))
console.log(`${join(out, 'index.html')}: ${pages.length} pages`)
