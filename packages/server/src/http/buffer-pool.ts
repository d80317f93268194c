/** Reused buffers for downloads: large while few run, smaller when many do, so that memory stays bounded. */

export interface BufferPair {
  readonly buffers: readonly [Buffer, Buffer]
  /** Ends the transfer. The buffers are reused once `unused` resolves: until then somebody may still read them. */
  release(unused: Promise<unknown>): void
}

export interface BufferPool {
  /** Two buffers for one transfer of at most `sizeBytes`. Never waits: many transfers get small buffers. */
  take(sizeBytes: number): BufferPair
  readonly active: number
}

/** By number of transfers: one buffer's bytes. 8 × 2 MiB + 24 × 512 KiB = 28 MiB for the first 32, then 128 KiB each. */
const steps: readonly (readonly [transfers: number, bytes: number])[] = [
  [8, 1 << 20],
  [32, 256 << 10],
  [Number.POSITIVE_INFINITY, 64 << 10],
]

/** Free buffers kept per size; the rest goes to the garbage collector. */
const keptFree = 16

export function createBufferPool(): BufferPool {
  const free = new Map<number, Buffer[]>()
  let active = 0

  const one = (bytes: number): Buffer => free.get(bytes)?.pop() ?? Buffer.allocUnsafeSlow(bytes)
  const back = (buffer: Buffer): void => {
    const list = free.get(buffer.length) ?? []
    if (list.length < keptFree) list.push(buffer)
    free.set(buffer.length, list)
  }

  return {
    take(sizeBytes) {
      active++
      const most = steps.find(([transfers]) => active <= transfers)![1]
      const fitting = steps.map(([, bytes]) => bytes).filter((bytes) => bytes <= most)
      const bytes = fitting.findLast((candidate) => candidate >= sizeBytes) ?? most
      const buffers = [one(bytes), one(bytes)] as const
      let taken = true
      return {
        buffers,
        release(unused) {
          if (!taken) return
          taken = false
          active--
          unused.then(
            () => buffers.forEach(back),
            () => undefined,
          )
        },
      }
    },
    get active() {
      return active
    },
  }
}
