/**
 * Frees received bytes soon after they were used.
 *
 * Node puts every 64 KiB of a body into a buffer of its own, and V8 looks for dead ones only after some 64 MiB of them. A
 * collection of the young generation costs less than a millisecond where the live heap is small: every 8 MiB of body it
 * brings the peak of a process that receives 1 GiB from 169 to 115 MiB, for no more CPU time.
 */
import { nodeV8, nodeVm } from './node-modules.ts'

const bytesBetween = 8 << 20

type Collect = (options: { readonly type: 'minor' }) => void

let collect: Collect | undefined
let receivedBytes = 0

/** To be called with the size of every chunk of every body of this thread. */
export function noteReceived(bytes: number): void {
  receivedBytes += bytes
  if (receivedBytes < bytesBetween) return
  receivedBytes = 0
  collect ??= findCollector()
  collect({ type: 'minor' })
}

/** V8 hands the function only to contexts that are made after the flag was set. */
function findCollector(): Collect {
  nodeV8().setFlagsFromString('--expose-gc')
  return nodeVm().runInNewContext('gc') as Collect
}
