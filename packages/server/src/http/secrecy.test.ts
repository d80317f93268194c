/** A secret is seen by nobody but the one to whom it was given. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Secret } from '@supercargo/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formBody, formRequest, v0Owner } from '../testing/form.ts'
import { rawRequest } from '../testing/raw-http.ts'
import { startTestServer, type TestServer } from '../testing/test-server.ts'
import { call, callJson, createUpload, stageFiles } from '../testing/v1-api.ts'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ logLevel: 'trace' })
})
afterAll(() => server.stop())

describe('a secret (cases 116, 117)', () => {
  it('is in no log line, no metric, no answer but its own, and no file of the store', async () => {
    const secrets: string[] = []
    const answers: string[] = []
    const note = async (answer: Response): Promise<void> =>
      void answers.push(JSON.stringify([...answer.headers]) + (await answer.text()))

    const form = formBody([
      { name: 'resources', type: 'multipart/form-data', body: 'bytes' },
      { name: 'resourcesOwner', body: v0Owner },
    ])
    const v0 = JSON.parse((await rawRequest(server.port, formRequest('/api/v0/resources/', form))).body.toString())
    const staged = await stageFiles(server, { a: 'x' })
    const open = await createUpload(server, { b: 'y' })
    const minted = (await (await callJson(server, 'POST', `/${staged.id}/capabilities`, {}, staged.secret)).json()) as {
      url: string
    }
    const capability = new URL(minted.url).pathname.split('/')[2]!
    const canary = Secret.mint().reveal()
    secrets.push(v0.resourceSecret, staged.secret, open.resourceSecret, capability.split('.')[1]!, canary)

    await note(
      await fetch(`${server.url}/api/v0/resources/${v0.resourceId}`, { headers: { authorization: v0.resourceSecret } }),
    )
    await note(await fetch(`${server.url}/api/v0/resources/${v0.resourceId}`, { headers: { authorization: canary } }))
    await note(await fetch(`${server.url}/api/v0/resources/${canary}`, { headers: { authorization: canary } }))
    await note(await fetch(`${server.url}/c/${capability}/a`))
    await note(await fetch(`${server.url}/c/${capability}/none`))
    await note(await fetch(`${server.url}/c/${capability}`))
    await note(await fetch(`${server.url}/c/${canary}/a?token=${canary}`))
    await note(await fetch(`${server.url}/${canary}/%zz?token=${canary}`))
    for (const secret of [staged.secret, canary]) {
      for (const [method, path] of [
        ['GET', ''],
        ['GET', '?explain'],
        ['GET', '/files/a'],
        ['POST', '/commit'],
        ['PATCH', ''],
        ['PUT', `/blobs/${canary}`],
        ['POST', '/blobs'],
      ] as const) {
        await note(
          await call(server, method, `/${staged.id}${path}`, { secret, ...(method === 'GET' ? {} : { body: canary }) }),
        )
      }
    }
    await note(await callJson(server, 'POST', '', { owner: canary, [canary]: canary }))
    await note(await call(server, 'POST', '', { body: `{"${canary}`, headers: { 'content-type': 'application/json' } }))
    answers.push(
      (
        await rawRequest(server.port, `GET / HTTP/1.1\r\nAuthorization: ${canary}${'x'.repeat(20_000)}\r\n\r\n`)
      ).body.toString(),
    )
    await note(await fetch(`${server.url}/metrics`))
    await note(await fetch(`${server.url}/api/v1/openapi.json`))

    // What the client wrote as a key is named in the answer to that client, as the word that is not known; never in a log.
    const own = answers.filter((text) => !text.includes('invalid-input'))
    const files = await allFiles(server.directory)
    for (const secret of secrets) {
      expect(server.logged()).not.toContain(secret)
      for (const text of own) expect(text).not.toContain(secret)
      for (const text of files) expect(text).not.toContain(secret)
    }
    expect(server.logged()).toContain('"route":"/c/:capability/*"')
  })
})

async function allFiles(directory: string): Promise<string[]> {
  const texts: string[] = []
  for (const name of await readdir(directory, { recursive: true })) {
    const path = join(directory, name)
    if ((await stat(path)).isFile()) texts.push(await readFile(path, 'latin1'))
  }
  return texts
}
