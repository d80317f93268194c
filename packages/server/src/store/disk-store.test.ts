/** The disk store under the contract of every store, and what only a disk has. */
import { diskHarness } from '../testing/disk-harness.ts'
import { storeContract } from '../testing/store-contract.ts'

storeContract('the disk store', () => diskHarness())
