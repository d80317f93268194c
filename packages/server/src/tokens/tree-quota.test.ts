/** A tree holds no more bytes than its quota, also while several uploads come, and no is said only after a fresh count. */
import { describe, expect, it } from 'vitest'
import type { NameEntry, NameTree } from '../store/name-tree.ts'
import { createTreeQuotas } from './tree-quota.ts'

const tree = { namespace: 'spark', tree: 'tree', path: '' }

function countingOver(sizes: Map<string, number>, gone = new Set<string>()) {
  const below = async function* (): AsyncIterable<{ entry: NameEntry }> {
    for (const [resourceId, sizeBytes] of sizes)
      yield {
        entry: { type: 'file', resourceId, file: 'f', sizeBytes, digest: `sha256:${'a'.repeat(64)}`, modifiedMs: 0 },
      }
  }
  const names = { below } as unknown as NameTree
  return createTreeQuotas({ names, isThere: async (id) => !gone.has(id) })
}

describe('the quota of a tree', () => {
  it('counts what is stored and what is coming, and gives back what did not come', async () => {
    const quotas = countingOver(new Map([['a', 60]]))
    const first = await quotas.enter(tree, 100)
    await first.take(30)
    const second = await quotas.enter(tree, 100)
    await expect(second.take(20)).rejects.toMatchObject({ kind: 'exhausted', code: 'token-quota' })
    await second.take(10)
    await expect(quotas.enter(tree, 100)).rejects.toMatchObject({ kind: 'exhausted' })
    first.release()
    first.release()
    await second.take(30)
    second.settle(0)
    second.release()
  })

  it('counts anew before it says no: what was removed or collected makes room', async () => {
    const sizes = new Map([
      ['a', 60],
      ['b', 40],
    ])
    const gone = new Set<string>()
    const quotas = countingOver(sizes, gone)
    await expect(quotas.enter(tree, 100)).rejects.toMatchObject({ code: 'token-quota' })
    gone.add('b')
    const share = await quotas.enter(tree, 100)
    await share.take(40)
    share.settle(0)
    sizes.set('c', 40)
    await expect(quotas.enter(tree, 100)).rejects.toMatchObject({ code: 'token-quota' })
    sizes.delete('a')
    expect((await quotas.enter(tree, 100)).take(50)).toBeUndefined()
    expect(await quotas.count(tree)).toBe(40)
  })

  it('is no limit where there is none', async () => {
    const share = await countingOver(new Map()).enter(tree, 0)
    expect(share.take(Number.MAX_SAFE_INTEGER)).toBeUndefined()
  })
})
