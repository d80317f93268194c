/** What becomes of a resource, decided from facts alone: a table in, a verdict with its reason out. */
import type { OwnerPresence } from '@supercargo/kube'
import { type Explanation, formatDuration, type ResourceState } from '@supercargo/protocol'

export interface OwnerFact {
  /** As people read it: "Pod spark/driver". */
  readonly owner: string
  /** What the latest sweep says; undefined before the first. */
  readonly presence: OwnerPresence | undefined
}

/** Covered time (see `EvidenceClock`) that a resource must pass in each state. */
export interface Deadlines {
  readonly firstUseTimeoutMs: number
  /** The grace, and at least one interval: so there are two sightings of absence. */
  readonly absentMs: number
  readonly condemnedMs: number
  /** After a noted fetch others are not noted for this long: until then it counts as being fetched. */
  readonly quietMs: number
}

export interface ResourceFacts {
  readonly id: string
  readonly committed: boolean
  /** One of its owners was seen at least once. */
  readonly seen: boolean
  /** False: it is from before this process, and whether its owner was ever seen is not remembered. */
  readonly remembered: boolean
  /** Why it was condemned. */
  readonly condemned: string | undefined
  readonly owners: readonly OwnerFact[]
  /** Elapsed time, covered by evidence, in the state that it is in. */
  readonly coveredMs: number
  readonly deadlines: Deadlines
  /** Why a retention policy ends it, whether its owner is there or not. */
  readonly spent: string | undefined
  /** Why a retention policy keeps it, whatever else holds. */
  readonly protectedBy: string | undefined
  /** Why nothing at all is collected. */
  readonly paused: string | undefined
  /** What a request of its own answered for each owner just now; undefined when nobody asked. */
  readonly confirmation: readonly OwnerPresence[] | undefined
}

/** What a sweep may do next with a resource. */
export type Step = 'none' | 'confirm' | 'condemn' | 'delete'

export interface Judgement {
  readonly state: ResourceState
  readonly verdict: Explanation['verdict']
  readonly reason: string
  readonly evidence: readonly string[]
  readonly step: Step
}

/**
 * DESIGN §6. No evidence means keep: every way to `condemn` and to `delete` passes complete answers that say "absent" for
 * every owner, in the sweep and in the confirmation, or a retention policy that an operator wrote.
 */
export function judge(facts: ResourceFacts): Judgement {
  const state = stateOf(facts)
  if (state === 'uploading') return keep(facts, state, 'it is still being uploaded')
  const { protectedBy, spent } = facts
  if (protectedBy !== undefined) return keep(facts, state, protectedBy)
  const present = facts.owners.find(({ presence }) => presence?.state === 'present')
  if (spent === undefined) {
    if (present !== undefined) return keep(facts, 'bound', `its owner ${present.owner} is there`)
    const unknown = firstUnknown(facts)
    if (unknown !== undefined) return keep(facts, state, unknownReason(facts, unknown))
  }
  const waiting = remaining(facts, state)
  if (waiting !== undefined) return waiting
  if (facts.paused !== undefined) return keep(facts, state, `collection is stopped: ${facts.paused}`)
  return spent === undefined ? judgeDue(facts, state) : collect(facts, state, spent)
}

/** Cheap: for the counts of a hundred thousand resources. */
export function stateOf(
  facts: Pick<ResourceFacts, 'committed' | 'seen' | 'condemned' | 'spent'> & {
    readonly owners: readonly { readonly presence: OwnerPresence | undefined }[]
  },
): ResourceState {
  if (!facts.committed) return 'uploading'
  const { owners, spent } = facts
  const present = owners.some(({ presence }) => presence?.state === 'present')
  if (facts.condemned !== undefined) return present && spent === undefined ? 'bound' : 'condemned'
  if (present) return 'bound'
  if (!facts.seen) return 'unused'
  const absent = owners.length > 0 && owners.every(({ presence }) => presence?.state === 'absent')
  return absent ? 'missing' : 'bound'
}

/** Kept because the time of its state has not passed. */
function remaining(facts: ResourceFacts, state: ResourceState): Judgement | undefined {
  const { deadlines, coveredMs, spent } = facts
  const owner = names(facts)
  const left = (wholeMs: number): string => formatDuration(wholeMs - coveredMs)
  if (state === 'condemned') {
    if (coveredMs >= deadlines.condemnedMs) return undefined
    const reason = `collect: condemned, because ${facts.condemned}; still served for ${left(deadlines.condemnedMs)}, and a fetch keeps it`
    return { state, verdict: 'collect', reason, evidence: evidenceOf(facts), step: 'none' }
  }
  if (spent !== undefined)
    return coveredMs < deadlines.quietMs ? keep(facts, state, 'it was fetched a moment ago') : undefined
  if (state === 'unused' && coveredMs < deadlines.firstUseTimeoutMs)
    return keep(
      facts,
      state,
      `not used yet; its owner ${owner} has ${left(deadlines.firstUseTimeoutMs)} left to appear`,
    )
  if (state === 'missing' && coveredMs < deadlines.absentMs)
    return keep(
      facts,
      state,
      `its owner ${owner} was there and is not seen now; it has ${left(deadlines.absentMs)} left to come back`,
    )
  return undefined
}

/** Its owners are absent for long enough by the sweeps: now a request of its own must say the same. */
function judgeDue(facts: ResourceFacts, state: ResourceState): Judgement {
  const { confirmation, deadlines } = facts
  const why =
    facts.condemned ??
    (state === 'unused'
      ? `it was not used within ${formatDuration(deadlines.firstUseTimeoutMs)}, and its owner ${names(facts)} is absent`
      : `its owner ${names(facts)} is gone`)
  if (confirmation === undefined)
    return { ...keep(facts, state, `${why}; waits for the confirmation`), step: 'confirm' }
  if (confirmation.some((answer) => answer.state === 'present'))
    return keep(facts, 'bound', 'the confirmation found its owner')
  const absent =
    confirmation.length === facts.owners.length && confirmation.every((answer) => answer.state === 'absent')
  return absent ? collect(facts, state, why) : keep(facts, state, `${why}, but nobody could confirm it`)
}

function collect(facts: ResourceFacts, state: ResourceState, why: string): Judgement {
  // What nobody used is not served any longer; what somebody may still use is, for a while.
  const direct = state === 'condemned' || facts.deadlines.condemnedMs === 0
  const unused = state === 'unused' && facts.remembered && facts.spent === undefined
  const step: Step = direct || unused ? 'delete' : 'condemn'
  return { state, verdict: 'collect', reason: `collect: ${why}`, evidence: evidenceOf(facts), step }
}

function keep(facts: ResourceFacts, state: ResourceState, why: string): Judgement {
  return { state, verdict: 'keep', reason: `kept: ${why}`, evidence: evidenceOf(facts), step: 'none' }
}

function unknownReason(facts: ResourceFacts, unknown: string): string {
  if (facts.seen) return `its owner was there, and whether it still is is not known: ${unknown}`
  return `${unknown}, so nobody can say that its owner is gone; "supercargo resources release ${facts.id}" deletes it`
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

function evidenceOf({ owners, confirmation }: ResourceFacts): string[] {
  return [
    ...owners.map(
      ({ owner, presence }) => `${owner}: ${presence === undefined ? 'not asked yet' : describe(presence)}`,
    ),
    ...(confirmation ?? []).map((answer, index) => `confirmation, ${owners[index]?.owner}: ${describe(answer)}`),
  ]
}

function describe(presence: OwnerPresence): string {
  return presence.state === 'unknown' ? `unknown, ${presence.reason}` : `${presence.state}, ${presence.evidence}`
}

function names(facts: ResourceFacts): string {
  return facts.owners.map(({ owner }) => owner).join(' or ')
}
