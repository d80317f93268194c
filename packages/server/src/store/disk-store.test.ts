import { diskHarness } from '../testing/disk-harness.ts'
import { storeContract } from '../testing/store-contract.ts'

storeContract('the disk store', () => diskHarness())
