/** That equal lists of owners are held once, and no longer than somebody uses them. */
import type { Owner } from '@supercargo/protocol'
import { describe, expect, it } from 'vitest'
import { SharedOwners } from './shared-owners.ts'

const owners = (name: string): Owner[] => [{ namespace: 'spark', apiVersion: 'v1', kind: 'Pod', name }]

describe('lists of owners', () => {
  it('that are equal are one in memory, and others are not', () => {
    const shared = new SharedOwners()
    const first = shared.take(owners('a'))
    expect(shared.take(owners('a'))).toBe(first)
    expect(shared.take(owners('b'))).not.toBe(first)
    expect(shared.size).toBe(2)
  })

  it('are kept as long as somebody uses them, and no longer', () => {
    const shared = new SharedOwners()
    const first = shared.take(owners('a'))
    shared.take(owners('a'))
    shared.giveBack(first)
    expect(shared.take(owners('a'))).toBe(first)
    shared.giveBack(first)
    shared.giveBack(first)
    expect(shared.size).toBe(0)
  })
})
