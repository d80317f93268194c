/** What becomes of a resource, decided from facts alone: a table in, a verdict with its reason out. */

import type { OwnerPresence } from '@supercargo/kube'
import { type Explanation, formatDuration, type ResourceState } from '@supercargo/protocol'

export interface OwnerFact {
  /** As people read it: "Pod spark/driver". */
  readonly owner: string
  /** What the latest sweep says; undefined before the first. */
  readonly presence: OwnerPresence | undefined
}

export interface ResourceFacts {
  readonly id: string
  readonly committed: boolean
  /** One of its owners was seen at least once. */
  readonly seen: boolean
  readonly owners: readonly OwnerFact[]
  /** Elapsed time, covered by evidence that no owner is there, since the commit or the last fetch. */
  readonly unusedMs: number
  readonly firstUseTimeoutMs: number
  /** What a request of its own answered for each owner just now; undefined when nobody asked. */
  readonly confirmation: readonly OwnerPresence[] | undefined
}

export interface Judgement {
  readonly state: ResourceState
  readonly verdict: Explanation['verdict']
  readonly reason: string
  readonly evidence: readonly string[]
  /** It would be collected if a live confirmation said that its owners are absent. */
  readonly wantsConfirmation: boolean
}

/** DESIGN §6. No evidence means keep: every way to `collect` passes complete answers that say "absent" for every owner. */
export function judge(facts: ResourceFacts): Judgement {
  if (!facts.committed) return keep('uploading', 'kept: it is still being uploaded', [])
  const present = facts.owners.find(({ presence }) => presence?.state === 'present')
  if (present !== undefined) return keep('bound', `kept: its owner ${present.owner} is there`, evidenceOf(facts))
  return facts.seen ? judgeBound(facts) : judgeUnused(facts)
}

/** Its owner was there once and is not seen now. That alone is no reason to collect. */
function judgeBound(facts: ResourceFacts): Judgement {
  const unknown = firstUnknown(facts)
  const reason =
    unknown === undefined
      ? `kept: its owner ${names(facts)} was there and is not at the moment`
      : `kept: its owner was there, and whether it still is is not known: ${unknown}`
  return keep('bound', reason, evidenceOf(facts))
}

function judgeUnused(facts: ResourceFacts): Judgement {
  const unknown = firstUnknown(facts)
  if (unknown !== undefined) {
    const reason = `kept: ${unknown}, so nobody can say that its owner is gone; "supercargo resources release ${facts.id}" deletes it`
    return keep('unused', reason, evidenceOf(facts))
  }
  if (facts.unusedMs < facts.firstUseTimeoutMs) {
    const left = formatDuration(facts.firstUseTimeoutMs - facts.unusedMs)
    return keep('unused', `kept: not used yet; its owner ${names(facts)} has ${left} left to appear`, evidenceOf(facts))
  }
  return judgeExpired(facts)
}

function judgeExpired(facts: ResourceFacts): Judgement {
  const unused = `not used within ${formatDuration(facts.firstUseTimeoutMs)}`
  const { confirmation } = facts
  if (confirmation === undefined)
    return keep(
      'unused',
      `kept: ${unused}; waits for the confirmation that its owner is absent`,
      evidenceOf(facts),
      true,
    )
  const evidence = [
    ...evidenceOf(facts),
    ...confirmation.map((presence, index) => `confirmation, ${facts.owners[index]?.owner}: ${describe(presence)}`),
  ]
  if (confirmation.some(({ state }) => state === 'present'))
    return keep('bound', 'kept: the confirmation found its owner', evidence)
  const absent = confirmation.length === facts.owners.length && confirmation.every(({ state }) => state === 'absent')
  if (!absent) return keep('unused', `kept: ${unused}, but nobody could confirm that its owner is absent`, evidence)
  return {
    state: 'unused',
    verdict: 'collect',
    reason: `collect: ${unused}, and its owner ${names(facts)} is absent`,
    evidence,
    wantsConfirmation: false,
  }
}

function keep(state: ResourceState, reason: string, evidence: readonly string[], wantsConfirmation = false): Judgement {
  return { state, verdict: 'keep', reason, evidence, wantsConfirmation }
}

/** Why absence is not certain, or undefined when every owner is absent by evidence. A resource without owners is never certain. */
function firstUnknown(facts: ResourceFacts): string | undefined {
  if (facts.owners.length === 0) return 'it has no owner'
  for (const { presence } of facts.owners) {
    if (presence === undefined) return 'no sweep has asked for its owner yet'
    if (presence.state === 'unknown') return presence.reason
  }
  return undefined
}

function evidenceOf(facts: ResourceFacts): string[] {
  return facts.owners.map(
    ({ owner, presence }) => `${owner}: ${presence === undefined ? 'not asked yet' : describe(presence)}`,
  )
}

function describe(presence: OwnerPresence): string {
  return presence.state === 'unknown' ? `unknown, ${presence.reason}` : `${presence.state}, ${presence.evidence}`
}

function names(facts: ResourceFacts): string {
  return facts.owners.map(({ owner }) => owner).join(' or ')
}
