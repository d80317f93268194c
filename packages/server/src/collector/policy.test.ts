/** The policy as a table: facts in, state, verdict, reason and the next step out. */
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
  remembered: true,
  condemned: undefined,
  owners: [{ owner: 'Pod spark/driver', presence: absent }],
  coveredMs: 0,
  deadlines: { firstUseTimeoutMs: 1_800_000, absentMs: 300_000, condemnedMs: 3_600_000, quietMs: 0 },
  spent: undefined,
  protectedBy: undefined,
  paused: undefined,
  confirmation: undefined,
}
const unused = { ...facts, coveredMs: 1_800_000 }
const missing = { ...facts, seen: true, coveredMs: 300_000 }
const condemned = { ...facts, seen: true, condemned: 'its owner Pod spark/driver is gone', coveredMs: 3_600_000 }

function owners(...presences: (OwnerPresence | undefined)[]): Pick<ResourceFacts, 'owners'> {
  return { owners: presences.map((presence, index) => ({ owner: `Pod spark/p${index}`, presence })) }
}

describe('the policy', () => {
  it.each([
    ['unused', unused, 'delete'],
    ['missing', missing, 'condemn'],
    ['condemned', condemned, 'delete'],
  ] as const)('ends what is %s after its whole time and when absence is confirmed', (state, due, step) => {
    expect(judge(due)).toMatchObject({ state, step: 'confirm' })
    expect(judge({ ...due, confirmation: [absent] })).toMatchObject({ state, verdict: 'collect', step })
    expect(judge({ ...due, coveredMs: due.coveredMs - 1, confirmation: [absent] })).toMatchObject({ step: 'none' })
    expect(judge({ ...due, confirmation: [unknown] })).toMatchObject({ verdict: 'keep', step: 'none' })
    expect(judge({ ...due, confirmation: [present] })).toMatchObject({ state: 'bound', verdict: 'keep', step: 'none' })
    expect(judge({ ...due, paused: 'the breaker', confirmation: [absent] })).toMatchObject({
      verdict: 'keep',
      step: 'none',
      reason: 'kept: collection is stopped: the breaker',
    })
  })

  it('of all combinations of presence, confirmation and history, lets only complete absence end a resource', () => {
    const presences = [absent, present, unknown, undefined]
    const confirmations = [undefined, [], [absent], [present], [absent, absent], [absent, present], [absent, unknown]]
    const ended: Record<string, number> = {}
    for (const first of presences) {
      for (const second of presences) {
        for (const confirmation of confirmations) {
          for (const seen of [true, false]) {
            for (const committed of [true, false]) {
              for (const reason of [undefined, 'its owner is gone']) {
                for (const paused of [undefined, 'stopped']) {
                  for (const coveredMs of [0, 299_999, 300_000, 1_800_000, 3_599_999, 1e12]) {
                    const { step } = judge({
                      ...{ ...facts, ...owners(first, second), seen, committed },
                      ...{ condemned: reason, confirmation, coveredMs, paused },
                    })
                    if (step !== 'condemn' && step !== 'delete') continue
                    ended[step] = (ended[step] ?? 0) + 1
                    expect([committed, paused, first, second]).toEqual([true, undefined, absent, absent])
                    expect(confirmation).toEqual([absent, absent])
                    const needed = reason !== undefined ? 3_600_000 : seen ? 300_000 : 1_800_000
                    expect(coveredMs).toBeGreaterThanOrEqual(needed)
                    expect(step).toBe(reason === undefined && seen ? 'condemn' : 'delete')
                  }
                }
              }
            }
          }
        }
      }
    }
    expect(ended).toEqual({ delete: 5, condemn: 4 })
  })

  it('never ends a resource without owners', () => {
    expect(judge({ ...unused, owners: [], confirmation: [] })).toMatchObject({ verdict: 'keep', step: 'none' })
  })

  it('still serves for a while what it does not remember, although it was never seen in use', () => {
    const forgotten = { ...unused, remembered: false, confirmation: [absent] }
    expect(judge(forgotten)).toMatchObject({ state: 'unused', step: 'condemn' })
  })

  it('ends at once what is not to be served for a while', () => {
    const deadlines = { ...facts.deadlines, condemnedMs: 0 }
    expect(judge({ ...missing, deadlines, confirmation: [absent] })).toMatchObject({ step: 'delete' })
  })

  it('lets a retention policy end a resource whose owner is there, without asking, and another keep it', () => {
    const spent = 'it is older than 30 d, which its policy allows'
    for (const presence of [present, absent, unknown, undefined]) {
      const old = { ...facts, ...owners(presence), seen: true, spent }
      expect(judge(old)).toMatchObject({ verdict: 'collect', step: 'condemn', reason: `collect: ${spent}` })
      expect(judge({ ...old, condemned: spent, coveredMs: 3_599_999 })).toMatchObject({
        state: 'condemned',
        step: 'none',
      })
      expect(judge({ ...old, condemned: spent, coveredMs: 3_600_000 })).toMatchObject({
        state: 'condemned',
        step: 'delete',
      })
      const deadlines = { ...facts.deadlines, quietMs: 60_000 }
      expect(judge({ ...old, deadlines })).toMatchObject({ verdict: 'keep', step: 'none' })
    }
    const young = { protectedBy: 'it is younger than 1 d', confirmation: [absent] }
    for (const due of [unused, missing, condemned]) expect(judge({ ...due, ...young })).toMatchObject({ step: 'none' })
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
    expect(judge({ ...facts, coveredMs: 600_000 }).reason).toContain('has 20 m left to appear')
    expect(judge({ ...facts, seen: true })).toMatchObject({
      state: 'missing',
      reason: 'kept: its owner Pod spark/driver was there and is not seen now; it has 5 m left to come back',
    })
    expect(judge({ ...facts, seen: true, ...owners(unknown) })).toMatchObject({
      state: 'bound',
      reason: expect.stringContaining('answered with 403'),
    })
    expect(judge({ ...condemned, ...owners(unknown) })).toMatchObject({ state: 'condemned', verdict: 'keep' })
    expect(judge({ ...condemned, coveredMs: 0 }).reason).toBe(
      'collect: condemned, because its owner Pod spark/driver is gone; still served for 1 h, and a fetch keeps it',
    )
    expect(judge({ ...facts, committed: false })).toMatchObject({ state: 'uploading', verdict: 'keep' })
    expect(judge({ ...unused, confirmation: [unknown] }).evidence).toEqual([
      'Pod spark/driver: absent, a complete list of 4 pods',
      'confirmation, Pod spark/driver: unknown, the list was answered with 403',
    ])
  })
})
