/** What every S3 service must do to be worth testing against: keep bytes, and check who asks. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type OwnInstance, ownInstance, provisionTimeoutMs, stopped } from '../running.ts'
import { signedFetch } from './signed-request.ts'
import type { S3Details } from './start.ts'

/** The tests of one implementation. At the end it is stopped, and nothing of it may be left. */
export function s3Contract(name: 's3' | 's3-ceph'): void {
  let instance: OwnInstance<'s3' | 's3-ceph'> | undefined
  let details: S3Details

  beforeAll(async () => {
    instance = await ownInstance(name)
    details = instance.details
    expect((await signedFetch(details, { method: 'PUT', path: '/cargo' })).status).toBe(200)
  }, provisionTimeoutMs)

  afterAll(async () => {
    expect(await stopped(instance)).toEqual([])
  })

  const put = async (key: string, body: string | Buffer): Promise<Response> =>
    signedFetch(details, { method: 'PUT', path: `/cargo/${key}`, body: Buffer.from(body) })

  it('returns the bytes that were put, whole and in ranges, and lists them', async () => {
    const body = Buffer.alloc(300_000, 'supercargo ')
    const path = '/cargo/libs/a b+c%.jar'
    expect((await put('libs/a b+c%.jar', body)).status).toBe(200)
    const whole = await signedFetch(details, { method: 'GET', path })
    expect(Buffer.from(await whole.arrayBuffer()).equals(body)).toBe(true)
    const range = await signedFetch(details, { method: 'GET', path, headers: { range: 'bytes=100000-100009' } })
    expect([range.status, await range.text()]).toEqual([206, body.subarray(100_000, 100_010).toString()])
    const listed = await signedFetch(details, {
      method: 'GET',
      path: '/cargo',
      query: { 'list-type': '2', prefix: 'libs/' },
    })
    expect(await listed.text()).toContain('<Size>300000</Size>')
  })

  it('refuses a read of another version than the one asked for', async () => {
    await put('pinned', 'one')
    const read = {
      method: 'GET',
      path: '/cargo/pinned',
      headers: { 'if-match': '"0123456789abcdef0123456789abcdef"' },
    } as const
    expect((await signedFetch(details, read)).status).toBe(412)
  })

  it.each([
    ['a wrong secret', { secretAccessKey: 'wrong' }, 'SignatureDoesNotMatch'],
    ['an unknown key', { accessKeyId: 'UNKNOWNUNKNOWNUNKNOW' }, 'InvalidAccessKeyId'],
  ])('refuses %s', async (_, change, code) => {
    const answer = await signedFetch({ ...details, ...change } as S3Details, { method: 'GET', path: '/cargo' })
    expect(answer.status).toBe(403)
    expect(await answer.text()).toContain(code)
  })

  it('refuses who does not sign', async () => {
    await put('private', 'mine')
    expect((await fetch(`${details.endpoint}/cargo/private`)).status).toBe(403)
    expect((await signedFetch(details, { method: 'HEAD', path: '/cargo/private' })).headers.get('content-length')).toBe(
      '4',
    )
  })
}
