/** The policy as a table: facts in, state, verdict and reason out. */
import type { OwnerPresence } from '@supercargo/kube'
import { describe, expect, it } from 'vitest'
import { judge, type ResourceFacts } from './policy.ts'

const absent: OwnerPresence = { state: 'absent', evidence: 'a complete list of 4 pods' }
const present: OwnerPresence = { state: 'present', uids: ['1'], evidence: 'listed' }
const unknown: OwnerPresence = { state: 'unknown', code: 'forbidden', reason: 'the list was answered with 403' }

const facts: ResourceFacts = {
  id: 'r1',
  committed: true,
  seen: false,
  owners: [{ owner: 'Pod spark/driver', presence: absent }],
  unusedMs: 0,
  firstUseTimeoutMs: 1_800_000,
  confirmation: undefined,
}
const expired = { ...facts, unusedMs: 1_800_000 }

function owners(...presences: (OwnerPresence | undefined)[]): Pick<ResourceFacts, 'owners'> {
  return { owners: presences.map((presence, index) => ({ owner: `Pod spark/p${index}`, presence })) }
}

describe('the policy', () => {
  it('collects only what is unused for the whole timeout and confirmed absent', () => {
    expect(judge(expired)).toMatchObject({ verdict: 'keep', wantsConfirmation: true })
    expect(judge({ ...expired, confirmation: [absent] })).toMatchObject({
      state: 'unused',
      verdict: 'collect',
      wantsConfirmation: false,
    })
    expect(judge({ ...expired, unusedMs: 1_799_999, confirmation: [absent] })).toMatchObject({
      verdict: 'keep',
      wantsConfirmation: false,
    })
  })

  it('of all combinations of presence, confirmation and history, lets only complete absence collect', () => {
    const presences = [absent, present, unknown, undefined]
    const confirmations = [
      undefined,
      [],
      [absent],
      [present],
      [unknown],
      [absent, absent],
      [absent, present],
      [absent, unknown],
    ]
    let collected = 0
    for (const first of presences) {
      for (const second of presences) {
        for (const confirmation of confirmations) {
          for (const seen of [true, false]) {
            for (const committed of [true, false]) {
              for (const unusedMs of [0, 1_799_999, 1_800_000, 1e12]) {
                const { verdict } = judge({
                  ...facts,
                  ...owners(first, second),
                  confirmation,
                  seen,
                  committed,
                  unusedMs,
                })
                const may =
                  committed &&
                  !seen &&
                  unusedMs >= 1_800_000 &&
                  first === absent &&
                  second === absent &&
                  confirmation?.length === 2 &&
                  confirmation.every((answer) => answer === absent)
                expect(verdict).toBe(may ? 'collect' : 'keep')
                if (may) collected++
              }
            }
          }
        }
      }
    }
    expect(collected).toBe(2)
  })

  it('never collects a resource without owners', () => {
    expect(judge({ ...expired, owners: [], confirmation: [] })).toMatchObject({
      verdict: 'keep',
      wantsConfirmation: false,
    })
  })

  it('says in words why a resource is kept', () => {
    const noCluster: OwnerPresence = { state: 'unknown', code: 'no-cluster', reason: 'no cluster is configured' }
    expect(judge({ ...facts, ...owners(noCluster) }).reason).toBe(
      'kept: no cluster is configured, so nobody can say that its owner is gone; "supercargo resources release r1" deletes it',
    )
    expect(judge({ ...facts, ...owners(absent, present) })).toMatchObject({
      state: 'bound',
      reason: 'kept: its owner Pod spark/p1 is there',
    })
    expect(judge({ ...facts, unusedMs: 600_000 }).reason).toContain('has 20 m left to appear')
    expect(judge({ ...facts, seen: true })).toMatchObject({
      state: 'bound',
      reason: expect.stringContaining('is not at the moment'),
    })
    expect(judge({ ...facts, seen: true, ...owners(unknown) }).reason).toContain('answered with 403')
    expect(judge({ ...facts, committed: false })).toMatchObject({ state: 'uploading', verdict: 'keep' })
    expect(judge({ ...expired, confirmation: [unknown] }).evidence).toEqual([
      'Pod spark/driver: absent, a complete list of 4 pods',
      'confirmation, Pod spark/driver: unknown, the list was answered with 403',
    ])
  })
})
