/** How many uploads may send bytes at once; the rest is told to come back, before its body is read. */
import { SupercargoError } from '@supercargo/protocol'

export interface Admission {
  /** Takes a place or throws kind `unavailable`. The returned function gives it back; calling it twice is harmless. */
  enter(): () => void
  /** From now on every upload is refused: the server is going away. */
  drain(): void
  readonly active: number
  readonly draining: boolean
}

const retryAfterBusyMs = 2000
const retryAfterDrainMs = 5000

export function createAdmission(uploadsMax: number): Admission {
  let active = 0
  let draining = false
  return {
    enter() {
      if (draining) throw drainingError()
      if (active >= uploadsMax) {
        throw new SupercargoError('unavailable', 'too-many-uploads', `${uploadsMax} uploads are under way already`, {
          retryAfterMs: retryAfterBusyMs,
          context: { uploadsMax },
        })
      }
      active++
      let inside = true
      return () => {
        if (inside) active--
        inside = false
      }
    },
    drain() {
      draining = true
    },
    get active() {
      return active
    },
    get draining() {
      return draining
    },
  }
}

export function drainingError(): SupercargoError {
  return new SupercargoError('unavailable', 'draining', 'the server is shutting down', {
    retryAfterMs: retryAfterDrainMs,
  })
}
