/** The documentation: every link leads somewhere, every page is in the contents, and what is generated is complete. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { errorCodes } from './error-codes.ts'
import { type Page, readPages, repository } from './pages.ts'
import { anchorsIn, renderPage } from './render-page.ts'

let pages: Page[]
beforeAll(async () => {
  pages = await readPages()
})

describe('the documentation', () => {
  it('has a name of its own for every page', () => {
    expect(new Set(pages.map(({ name }) => name)).size).toBe(pages.length)
    expect(pages.length).toBeGreaterThan(10)
  })

  it('links only to what is there, down to the heading', () => {
    const anchors = new Map(pages.map(({ name, markdown }) => [`${name}.html`, anchorsIn(markdown)]))
    const broken: string[] = []
    for (const page of pages) {
      for (const [, href] of renderPage(page, pages).matchAll(/<a (?:class="\w+" )?href="([^"]+)"/g)) {
        if (/^https?:/.test(href!)) continue
        const [target, anchor] = href!.split('#') as [string, string | undefined]
        const known = anchors.get(target === '' ? `${page.name}.html` : target)
        if (known === undefined || (anchor !== undefined && anchor !== 'text' && !known.has(anchor)))
          broken.push(`${page.file ?? page.name}: ${href}`)
      }
      // What is no page of the site is at least a file of the repository.
      for (const [, href] of page.markdown
        .replaceAll(/```[\s\S]*?```|`[^`]*`/g, '')
        .matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
        if (/^[a-z]+:/.test(href!) || page.file === undefined) continue
        const there = existsSync(join(repository, dirname(page.file), href!))
        if (!there && !pages.some(({ file, name }) => file === undefined && name === href))
          broken.push(`${page.file}: ${href}`)
      }
    }
    expect(broken).toEqual([])
  })

  it('puts nothing of a page into its markup unescaped', () => {
    const page: Page = {
      name: 'x',
      title: 'a < b & "c"',
      section: 's',
      file: 'docs/x.md',
      markdown: '# a < b\n\n[x](y"z.md)',
    }
    const html = renderPage(page, [page])
    expect(html).toContain('<title>a &#60; b &#38; &#34;c&#34; – Supercargo</title>')
    expect(html).toContain('a &lt; b')
    expect(html).not.toContain('y"z')
  })

  it('needs nothing from elsewhere: no script, no font, no image of another host', () => {
    for (const page of pages) expect(renderPage(page, pages)).not.toMatch(/<script|<iframe|src="http|@import/)
  })

  it('has no command that no test types', () => {
    const runners = ['test/docs/quick-start.test.ts', 'test/services/docs/pages.test.ts']
      .map((file) => readFileSync(join(repository, file), 'utf8'))
      .join()
    const withCommands = pages.filter(({ markdown }) => /^```sh$/m.test(markdown)).map(({ file }) => file!)
    expect(withCommands.length).toBeGreaterThan(5)
    expect(withCommands.filter((file) => !runners.includes(basename(file, '.md')))).toEqual([])
  })

  it('lists every error code that a test expects', () => {
    const listed = new Set(errorCodes().map(({ code }) => code))
    const expected = new Map<string, string>()
    for (const file of readdirSync(join(repository, 'packages'), { recursive: true, encoding: 'utf8' })) {
      if (file.includes('node_modules') || !/\/src\/.*\.test\.ts$/.test(file)) continue
      const text = readFileSync(join(repository, 'packages', file), 'utf8')
      for (const [, kind, code] of text.matchAll(/kind: '(\w+)', code: '([a-z0-9-]+)'/g)) {
        if (!/new SupercargoError/.test(text)) expected.set(code!, `${file} (${kind})`)
      }
    }
    expect(expected.size).toBeGreaterThan(50)
    const composed = /^(kube|s3|hdfs|http|tls|dns|connection|kerberos|store|bad|ca-file)-/
    expect([...expected].filter(([code]) => !listed.has(code) && !composed.test(code))).toEqual([])
  })
})
