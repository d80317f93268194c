/** versitygw as a test service. */
import { describeWith } from '../running.ts'
import { s3Contract } from './contract.ts'

describeWith(['s3'], 's3', () => s3Contract('s3'))
