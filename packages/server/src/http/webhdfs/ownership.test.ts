/** Whose a file is: the claim in its path before the pod that reads it before its age. A wrong guess keeps too long, never too short. */
import { describe, expect, it } from 'vitest'
import type { ResourceRecord } from '../../store/store.ts'
import { claimsIn, ownedByReader, ownersOf, withReader } from './ownership.ts'

const upload = 'spark-upload-0a1b2c3d-0000-4000-8000-0123456789ab'
const id = '0123456789abcdefghijklmnop'
const day = 86_400_000

describe('the claim in a path', () => {
  it('is the value behind claim= in a directory, each once', () => {
    expect(claimsIn(`claim=etl-1/${upload}/a.jar`)).toEqual(['etl-1'])
    expect(claimsIn('claim=a/claim=b/claim=a/x')).toEqual(['a', 'b'])
    expect(claimsIn('claims/claim=/..'.replace('claim=/..', 'x'))).toEqual([])
    expect(claimsIn('d/claim=is-a-file')).toEqual([])
  })

  it.each(['claim=/x', 'claim=a b/x', 'claim=é/x', `claim=${'x'.repeat(64)}/x`, 'claim=-a/x'])(
    'that no pod can carry is refused: %s',
    (path) => {
      expect(() => claimsIn(path)).toThrow(expect.objectContaining({ code: 'bad-claim' }))
    },
  )

  it('makes owners of the pods that carry it, and asks for no age', () => {
    const { owners, notes } = ownersOf('spark', 'claim=etl/x', id, day)
    expect(owners).toEqual([
      { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', labels: { 'supercargo.io/claim': 'etl' } },
    ])
    expect(notes).toEqual({})
  })
})

describe('the pod that reads', () => {
  it('owns only what one submission of Spark uploaded for itself, and no claim is about', () => {
    expect(ownedByReader(`${upload}/a.jar`)).toBe(true)
    expect(ownedByReader(`team/${upload}/a.jar`)).toBe(true)
    expect(ownedByReader('shared/a.jar')).toBe(false)
    expect(ownedByReader(upload)).toBe(false)
    expect(ownedByReader('spark-upload-mine/a.jar')).toBe(false)
    expect(ownedByReader(`claim=etl/${upload}/a.jar`)).toBe(false)
  })

  it('takes the place of the placeholder and of the age, and joins others that read', () => {
    const { owners, notes } = ownersOf('spark', `${upload}/a`, id, day)
    expect(notes).toEqual({ maxAgeMs: day })
    const record = { id, owners, ...notes } as unknown as ResourceRecord
    const driver = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'driver', uid: 'u1' }
    const bound = withReader(record, driver)
    expect(bound).toEqual({ id, owners: [driver] })
    expect(withReader(bound, driver)).toBe(bound)
    const other = { ...driver, name: 'other', uid: 'u2' }
    expect(withReader(bound, other).owners).toEqual([driver, other])
    let full = bound
    for (let n = 0; n < 30; n++) full = withReader(full, { ...driver, uid: `n${n}` })
    expect(full.owners.length).toBe(16)
  })
})
