/** The HTTP source against a real nginx, plain and with TLS: the contract of every source, and whole localizations. */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { localize } from '@supercargo/localizer'
import { planSchema } from '@supercargo/protocol'
import { describe, expect, it } from 'vitest'
import { createHttpSource } from '../../../packages/localizer/src/sources/http.ts'
import { Redactor } from '../../../packages/localizer/src/sources/secret-text.ts'
import { describeSource } from '../../../packages/localizer/src/testing/source-contract.ts'
import { bytesOf } from '../../../packages/localizer/src/testing/workbench.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'

describeWith(['nginx'], 'HTTP from nginx', () => {
  for (const scheme of ['http', 'https'] as const) {
    describeSource(
      `${scheme} (nginx)`,
      async () => {
        const { url, secureUrl, caFile, documentRoot } = await running('nginx')
        const base = scheme === 'http' ? url : secureUrl
        const folder = await mkdtemp(join(documentRoot, 'source-'))
        const source = createHttpSource({
          origins: { [new URL(base).origin]: { caFile } },
          idleTimeoutMs: 10_000,
          socketsMax: 8,
          redactor: new Redactor(),
        })
        const item = (name: string) =>
          ({ kind: 'uri', uri: `${base}${folder.slice(documentRoot.length)}/${encodeURIComponent(name)}` }) as const
        let version = 0
        return {
          source,
          put: async (name, bytes) => {
            // A new file of another time each: nginx makes its ETag of time and size.
            const path = join(folder, name)
            await rm(path, { force: true })
            await writeFile(path, bytes)
            const time = new Date(Date.UTC(2026, 0, 1) + 1000 * version++)
            await utimes(path, time, time)
            return item(name)
          },
          missing: () => item('missing'),
          denied: async () => {
            await mkdir(join(folder, 'folder'), { recursive: true })
            // A folder without an index is refused.
            return { kind: 'uri', uri: `${item('folder').uri}/` }
          },
          [Symbol.asyncDispose]: async () => {
            source.close()
            await rm(folder, { recursive: true })
          },
        }
      },
      { replaceable: true },
    )
  }

  describe('a localization', () => {
    it.each(['http', 'https'] as const)(
      'by %s brings small, empty and large files with odd names',
      { timeout: provisionTimeoutMs },
      async (scheme) => {
        const { url, secureUrl, caFile, documentRoot } = await running('nginx')
        const base = scheme === 'http' ? url : secureUrl
        const folder = await mkdtemp(join(documentRoot, 'set-'))
        const root = await mkdtemp(join(tmpdir(), 'supercargo-http-'))
        try {
          const files = new Map([
            ['empty', Buffer.alloc(0)],
            ['one byte', Buffer.from('x')],
            ['a+b %41 🚢.jar', bytesOf(100_000)],
            ['large.jar', bytesOf(48 << 20)],
          ])
          const items: object[] = []
          for (const [name, bytes] of files) {
            await writeFile(join(folder, name), bytes)
            const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
            const uri = `${base}${folder.slice(documentRoot.length)}/${encodeURIComponent(name)}`
            items.push({ uri, to: name, ...(name === 'large.jar' ? {} : { digest, sizeBytes: bytes.length }) })
          }
          const http = { [new URL(base).origin]: { caFile } }
          const report = await localize(planSchema.parse({ version: 1, root: join(root, 'data'), items, http }))
          expect(report.totals.files).toBe(files.size)
          for (const [name, bytes] of files) expect((await readFile(join(root, 'data', name))).equals(bytes)).toBe(true)
        } finally {
          await rm(folder, { recursive: true })
          await rm(root, { recursive: true })
        }
      },
    )
  })
})
