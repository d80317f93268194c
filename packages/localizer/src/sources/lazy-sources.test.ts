/** What a run loads: nothing of S3 without a URI of it, and nothing of AWS's library where the keys are in the properties. */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { scriptedServer } from '../testing/scripted-server.ts'
import { workbench } from '../testing/workbench.ts'

const program = join(import.meta.dirname, '..', 'testing', 'run-localizer.ts')

/** Runs the localizer as a process of its own; every module that it loads. */
async function loadedBy(items: (origin: string) => object[], properties: Record<string, string>): Promise<string[]> {
  await using bench = await workbench()
  await using server = await scriptedServer((_, response) => response.end('cargo'))
  const [plan, hook, list] = ['plan.json', 'hook.mjs', 'modules'].map((name) => join(bench.directory, name))
  const hadoop = { properties: { 'fs.s3a.endpoint': server.origin, ...properties } }
  await writeFile(plan!, JSON.stringify(bench.plan(items(server.origin), { hadoop })))
  await writeFile(list!, '')
  await writeFile(
    hook!,
    `import { appendFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
registerHooks({ load: (url, context, next) => { appendFileSync(${JSON.stringify(list)}, url + '\\n'); return next(url, context) } })`,
  )
  const argv = ['--import', hook!, program, plan!, '--termination-log', join(bench.directory, 'log')]
  await promisify(execFile)(process.execPath, argv)
  expect(Object.values(await bench.files())).toEqual(['cargo'])
  return (await readFile(list!, 'utf8')).split('\n')
}

const ofS3 = /(sources|transfer\/src)\/s3\/|@aws-sdk|@smithy|@aws-crypto|fast-xml-parser/
const keys = { 'fs.s3a.access.key': 'key', 'fs.s3a.secret.key': 'secret' }

describe('a run', () => {
  it('without S3 loads nothing of it', async () => {
    const modules = await loadedBy((origin) => [{ uri: `${origin}/a.jar`, to: 'a.jar' }], keys)
    expect(modules.length).toBeGreaterThan(20)
    expect(modules.filter((url) => ofS3.test(url))).toEqual([])
  })

  it('with a key in S3 loads the signer, and nothing else of AWS', async () => {
    const modules = await loadedBy(() => [{ uri: 's3a://cargo/a.jar', to: 'a.jar' }], keys)
    expect(modules.some((url) => url.includes('@smithy/signature-v4'))).toBe(true)
    expect(modules.filter((url) => url.includes('@aws-sdk'))).toEqual([])
  })
})
