/** Ceph's S3 gateway as a test service: an older S3, as many clusters have it. */
import { describeWith } from '../running.ts'
import { s3Contract } from '../s3/contract.ts'

describeWith(['s3-ceph'], 's3-ceph', () => s3Contract('s3-ceph'))
