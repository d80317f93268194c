/** Ranges and preconditions, as a table. */
import { describe, expect, it } from 'vitest'
import { selectBytes } from './range.ts'

const etag = '"sha256:aa"'
const whole = { status: 200 }
const refused = { status: 416 }
const part = (start: number, end: number) => ({ status: 206, start, end })

describe('a range of a file of 10 bytes (cases 102, 103)', () => {
  it.each([
    ['bytes=0-0', part(0, 1)],
    ['bytes=0-', part(0, 10)],
    ['bytes=3-5', part(3, 6)],
    ['bytes=9-9', part(9, 10)],
    ['bytes=5-99', part(5, 10)],
    ['bytes=5-18446744073709551616', part(5, 10)],
    ['bytes=-1', part(9, 10)],
    ['bytes=-10', part(0, 10)],
    ['bytes=-99', part(0, 10)],
    ['BYTES = 2-3', part(2, 4)],
    ['bytes=10-', refused],
    ['bytes=10-10', refused],
    ['bytes=99-100', refused],
    ['bytes=18446744073709551616-', refused],
    ['bytes=-0', refused],
    ['bytes=5-3', whole],
    ['bytes=', whole],
    ['bytes=-', whole],
    ['bytes=a-b', whole],
    ['bytes=--5', whole],
    ['bytes=1.5-2', whole],
    ['items=0-1', whole],
    ['bytes=0-0,2-3', whole],
    [`bytes=${'0-0,'.repeat(2000)}1-1`, whole],
    [`bytes=${'9'.repeat(5000)}-`, whole],
  ])('%s', (range, selection) => {
    expect(selectBytes({ range }, etag, 10)).toEqual(selection)
  })

  it('is never satisfied by an empty file', () => {
    for (const range of ['bytes=0-', 'bytes=0-0', 'bytes=-5']) expect(selectBytes({ range }, etag, 0)).toEqual(refused)
    expect(selectBytes({}, etag, 0)).toEqual(whole)
  })
})

describe('a precondition (cases 104, 105)', () => {
  const range = 'bytes=0-0'
  it.each([
    [{ range, 'if-range': etag }, part(0, 1)],
    [{ range, 'if-range': '"sha256:bb"' }, whole],
    [{ range, 'if-range': `W/${etag}` }, whole],
    [{ range, 'if-range': 'Sat, 21 Nov 2026 00:00:00 GMT' }, whole],
    [{ 'if-none-match': etag }, { status: 304 }],
    [{ 'if-none-match': `W/${etag}` }, { status: 304 }],
    [{ 'if-none-match': `"x", ${etag}` }, { status: 304 }],
    [{ 'if-none-match': '*' }, { status: 304 }],
    [{ 'if-none-match': '"x"', range }, part(0, 1)],
    [{ 'if-match': etag, range }, part(0, 1)],
    [{ 'if-match': '*' }, whole],
    [{ 'if-match': '"x"' }, { status: 412 }],
    [{ 'if-match': `W/${etag}` }, { status: 412 }],
    [{ 'if-match': '"x"', 'if-none-match': etag }, { status: 412 }],
  ])('%o', (headers, selection) => {
    expect(selectBytes(headers, etag, 10)).toEqual(selection)
  })
})
