/** The memory budget: what the cgroup says, and how many transfers it pays for. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { budgetDefaultBytes, memoryBudgetOf, transfersOf } from './memory.ts'
import { workbench } from './testing/workbench.ts'

const mebibyte = 2 ** 20

describe('the memory budget', () => {
  it.each([
    ['max', budgetDefaultBytes],
    ['9223372036854771712', budgetDefaultBytes],
    ['67108864\n', 32 * mebibyte],
    [String(2 ** 30), budgetDefaultBytes],
    ['nonsense', budgetDefaultBytes],
    ['', budgetDefaultBytes],
  ])('with the limit %j', async (text, bytes) => {
    await using bench = await workbench()
    const file = join(bench.directory, 'memory.max')
    await writeFile(file, text)
    expect(memoryBudgetOf(['/no/such/file', file])).toBe(bytes)
  })

  it('without a cgroup is the default', () => {
    expect(memoryBudgetOf(['/no/such/file'])).toBe(budgetDefaultBytes)
  })

  it.each([
    [16, 1],
    [64, 4],
    [128, 8],
    [1024, 8],
  ])('of %d MiB pays for %d transfers', (mebibytes, transfers) => {
    expect(transfersOf(mebibytes * mebibyte, 8)).toBe(transfers)
  })
})
