/** The store in a bucket under the contract of every store; the real servers run the same in the services' tests. */
import { bucketHarness } from '../../testing/bucket-harness.ts'
import { MemoryBucket } from '../../testing/memory-bucket.ts'
import { storeContract } from '../../testing/store-contract.ts'

storeContract('the store in a bucket', async () => bucketHarness(new MemoryBucket(), 'team/cargo'))
