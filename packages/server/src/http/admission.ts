/** How many uploads, or downloads, may run at once; the rest is told to come back, before a byte of theirs moves. */
import { SupercargoError } from '@supercargo/protocol'

export interface Admission {
  /** Takes a place or throws kind `unavailable`. The returned function gives it back; calling it twice is harmless. */
  enter(): () => void
  /** From now on everybody is refused: the server is going away. */
  drain(): void
  readonly active: number
  readonly draining: boolean
}

const retryAfterBusyMs = 2000
const retryAfterDrainMs = 5000

export function createAdmission(what: 'uploads' | 'downloads', placesMax: number): Admission {
  let active = 0
  let draining = false
  return {
    enter() {
      if (draining) throw drainingError()
      if (active >= placesMax) {
        throw new SupercargoError('unavailable', `too-many-${what}`, `${placesMax} ${what} are under way already`, {
          retryAfterMs: retryAfterBusyMs,
          context: { [`${what}Max`]: placesMax },
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
