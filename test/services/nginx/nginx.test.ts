/** nginx as a test service: what it serves is what was put, with and without TLS, and nothing stays behind. */
import { readFile } from 'node:fs/promises'
import { get } from 'node:https'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { leftovers } from '../run.ts'
import { describeWith, ownInstance, provisionTimeoutMs } from '../running.ts'

describeWith(['nginx'], 'nginx', () => {
  it('stores by PUT, serves ranges and TLS, and leaves nothing', { timeout: provisionTimeoutMs }, async () => {
    const nginx = await ownInstance('nginx')
    const { url, secureUrl, caFile, documentRoot } = nginx.details
    const put = await fetch(`${url}/deep/file.bin`, { method: 'PUT', body: 'one two three' })
    expect(put.status).toBe(201)
    const range = await fetch(`${url}/deep/file.bin`, { headers: { range: 'bytes=4-6' } })
    expect([range.status, await range.text()]).toEqual([206, 'two'])
    expect(await readFile(join(documentRoot, 'deep/file.bin'), 'utf8')).toBe('one two three')
    const ca = await readFile(caFile)
    const secure = await new Promise<string>((resolve, reject) => {
      get(`${secureUrl}/deep/file.bin`, { ca }, (response) => {
        response.setEncoding('utf8')
        let body = ''
        response.on('data', (chunk: string) => (body += chunk))
        response.on('end', () => resolve(body))
      }).on('error', reject)
    })
    expect(secure).toBe('one two three')
    expect(leftovers(nginx.directory)).not.toEqual([])
    await nginx.stop()
    expect(leftovers(nginx.directory)).toEqual([])
    await expect(fetch(`${url}/ready`)).rejects.toThrow()
  })
})
