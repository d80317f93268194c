/** Owners: what is refused because it would match everything or nothing. */
import { describe, expect, it } from 'vitest'
import { describeOwner, ownerSchema, ownersSchema, v0OwnerSchema } from './owner.ts'
import { parseWith } from './schema-error.ts'

const valid = { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name: 'driver' }

describe('an owner', () => {
  it('is a pod of v1 unless it says otherwise', () => {
    expect(ownerSchema.parse({ namespace: 'spark', name: 'driver' })).toEqual(valid)
  })

  it.each([
    ['without name, uid or labels', { name: undefined }],
    ['with empty labels only', { name: undefined, labels: {} }],
    ['with a namespace that climbs', { namespace: '../../etc' }],
    ['with an empty namespace', { namespace: '' }],
    ['with a long namespace', { namespace: 'a'.repeat(64) }],
    ['with a selector in a label value', { labels: { a: 'b,c in (d)' } }],
    ['with a selector as a label key', { labels: { '!x': 'y' } }],
    ['with a newline in a label', { labels: { a: 'b\n' } }],
    ['with an unknown key', { owner: 'me' }],
    ['of a kind that is no kind', { kind: 'pods' }],
    ['of a kind with another apiVersion', { kind: 'Job', apiVersion: 'v1' }],
    ['with a name that is a path', { name: 'a/b' }],
  ])('%s is refused', (_, change) => {
    expect(ownerSchema.safeParse({ ...valid, ...change }).success).toBe(false)
  })

  it.each([
    ['by uid', { name: undefined, uid: '0d8f6a0e-11d1-4c0e-b7a4-5a3f3e6f4b5e' }],
    [
      'by labels with a prefix',
      { name: undefined, labels: { 'supercargo.io/claim': 'x1', 'spark-role': 'driver', empty: '' } },
    ],
    ['of a custom kind', { kind: 'FlinkDeployment', apiVersion: 'flink.apache.org/v1beta1' }],
    ['of both Spark operators', { kind: 'SparkApplication', apiVersion: 'spark.apache.org/v1' }],
  ])('%s is taken', (_, change) => {
    expect(ownerSchema.safeParse({ ...valid, ...change }).success).toBe(true)
  })

  it('may be several in one namespace, never in two', () => {
    expect(ownersSchema.parse(valid)).toEqual([valid])
    expect(ownersSchema.parse([valid, { ...valid, name: 'b' }])).toHaveLength(2)
    expect(ownersSchema.safeParse([valid, { ...valid, namespace: 'other' }]).success).toBe(false)
    expect(ownersSchema.safeParse([]).success).toBe(false)
  })

  it('that is refused is told why, alone and among several', () => {
    const wrong = { namespace: 'spark', kind: 'Job', apiVersion: 'apps/v1', name: 'etl' }
    const says = 'Job is of batch/v1, not apps/v1'
    expect(() => parseWith(ownersSchema, wrong, 'the owner')).toThrow(`the owner is not valid: apiVersion: ${says}`)
    expect(() => parseWith(ownersSchema, [valid, wrong], 'the owner')).toThrow(`[1].apiVersion: ${says}`)
    expect(() => parseWith(ownersSchema, 'driver', 'the owner')).toThrow('the owner is not valid: ')
  })

  it('of 2017 maps onto pods by labels', () => {
    const owner = v0OwnerSchema.parse({
      ownerNamespace: 'default',
      ownerLabels: { 'spark-role': 'driver' },
      ownerType: 'Pod',
    })
    expect(owner).toEqual({ namespace: 'default', apiVersion: 'v1', kind: 'Pod', labels: { 'spark-role': 'driver' } })
    expect(describeOwner(owner)).toBe('Pod in default with spark-role=driver')
    for (const bad of [
      {},
      { ownerNamespace: 'x', ownerLabels: {}, ownerType: 'Pod' },
      { ownerNamespace: 'x', ownerLabels: { a: 'b' }, ownerType: 'Job' },
      { ownerNamespace: 'x', ownerType: 'Pod' },
    ]) {
      expect(v0OwnerSchema.safeParse(bad).success).toBe(false)
    }
  })
})
