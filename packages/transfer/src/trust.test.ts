/** Authorities that a user names: read before any connection, and a file that holds none is an error. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { trustContext } from './trust.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'trust-'))
})
afterAll(() => rm(directory, { recursive: true }))

async function fileOf(text: string): Promise<string> {
  const file = join(directory, `${Math.random()}.pem`)
  await writeFile(file, text)
  return file
}

describe('a CA file', () => {
  it('adds its authorities, one or several, with text around them', async () => {
    const file = await fileOf(`# ours\r\n${rootCertificates[0]}\nbetween\n${rootCertificates[1]}\n`)
    expect(trustContext([file])).toBeDefined()
    expect(trustContext([])).toBeUndefined()
  })

  it('without a certificate is an error that names it', async () => {
    const file = await fileOf('not a certificate\n')
    expect(() => trustContext([file])).toThrow(
      expect.objectContaining({ kind: 'invalid', code: 'ca-file-empty', message: expect.stringContaining(file) }),
    )
  })

  it('with a damaged certificate is an error that says which', async () => {
    const damaged = rootCertificates[1]!.replace(/\n[A-Za-z0-9+/]{10}/, '\nAAAAAAAAAA')
    const file = await fileOf(`${rootCertificates[0]}\n${damaged}\n`)
    expect(() => trustContext([file])).toThrow(
      expect.objectContaining({ code: 'ca-file-damaged', message: expect.stringContaining('certificate 2') }),
    )
  })

  it('that is not there is an error that names it', () => {
    expect(() => trustContext([join(directory, 'absent')])).toThrow(expect.objectContaining({ kind: 'notFound' }))
  })
})
