/** The contract of the store port as tests; every backend runs them. */
import { afterEach, describe } from 'vitest'
import { StoreBench, type StoreHarness } from './store-bench.ts'
import { lawCases } from './store-law-cases.ts'
import { resourceCases } from './store-resource-cases.ts'
import { uploadCases } from './store-upload-cases.ts'

export type { StoreHarness, StoreSetting } from './store-bench.ts'

export function storeContract(name: string, makeHarness: () => Promise<StoreHarness>): void {
  describe(`${name} keeps the laws of a store`, () => {
    const bench = new StoreBench(makeHarness)
    afterEach(() => bench.clear())
    lawCases(bench)
    uploadCases(bench)
    resourceCases(bench)
  })
}
