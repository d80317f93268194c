/** The index finds exactly what a plain comparison finds. */
import type { Owner } from '@supercargo/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ObjectMetadata } from './list-metadata.ts'
import { indexOwners } from './owner-index.ts'
import type { OwnerQuery } from './owner-lookup.ts'

const few = fc.constantFrom('a', 'b', 'c')
const labels = fc.dictionary(few, few, { maxKeys: 3 })
const object: fc.Arbitrary<ObjectMetadata> = fc.record({
  uid: fc.constantFrom('u1', 'u2', 'u3', 'u4'),
  name: few,
  namespace: few,
  labels,
})
const selector = fc.oneof(
  fc.record({ uid: fc.constantFrom('u1', 'u2'), name: few }),
  fc.record({ name: few }),
  fc.record({ name: few, labels }),
  fc.record({ labels: fc.dictionary(few, few, { minKeys: 1, maxKeys: 3 }) }),
)
const query: fc.Arbitrary<OwnerQuery> = fc
  .tuple(selector, few, fc.option(fc.subarray(['u1', 'u3', 'u4']), { nil: undefined }))
  .map(([rest, namespace, knownUids]) => ({
    owner: { apiVersion: 'v1', kind: 'Pod', namespace, ...rest } as Owner,
    ...(knownUids === undefined ? {} : { knownUids }),
  }))

function isOwner({ owner, knownUids = [] }: OwnerQuery, each: ObjectMetadata): boolean {
  if (each.namespace !== owner.namespace) return false
  if (owner.uid !== undefined) return each.uid === owner.uid
  if (knownUids.includes(each.uid)) return true
  if (owner.name !== undefined && each.name !== owner.name) return false
  return Object.entries(owner.labels ?? {}).every(([key, value]) => each.labels[key] === value)
}

describe('the index of owners', () => {
  it('says of every owner what comparing each object with it says', () => {
    fc.assert(
      fc.property(fc.array(query, { maxLength: 12 }), fc.array(object, { maxLength: 20 }), (queries, objects) => {
        const index = indexOwners(queries)
        for (const each of objects) index.visit(each)
        for (const [position, each] of queries.entries()) {
          const expected = new Set(objects.filter((one) => isOwner(each, one)).map(({ uid }) => uid))
          expect(new Set(index.uids(position))).toEqual(expected)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('matches 20,000 owners that share a label against 20,000 objects in seconds, not in hours', () => {
    const queries = Array.from({ length: 20_000 }, (_, n): OwnerQuery => {
      return {
        owner: { apiVersion: 'v1', kind: 'Pod', namespace: `ns-${n % 100}`, labels: { app: 'spark', id: `${n}` } },
      }
    })
    const index = indexOwners(queries)
    for (let n = 0; n < 40_000; n += 2) {
      index.visit({ uid: `u${n}`, name: `p${n}`, namespace: `ns-${n % 100}`, labels: { app: 'spark', id: `${n}` } })
    }
    expect(queries.filter((_, n) => index.uids(n).length === 1)).toHaveLength(10_000)
  }, 5_000)
})
