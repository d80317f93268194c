/** Visits of the admin page: a cookie of random bits, and in memory for a while the token that the visitor has shown. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Secret } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'

/** However often it is used; who stays longer shows the token again. */
export const sessionMsMax = 30 * 60_000
/** The oldest goes when one more comes. */
const sessionsMax = 1000
const cookieName = 'supercargo-ui'
const cookiePattern = new RegExp(`(?:^|;) *${cookieName}=([A-Za-z0-9_-]{43})(?:;|$)`)

export class Sessions {
  readonly #clock: Clock
  /** Of this process, so that nothing has to be remembered of a visitor who has shown nothing. */
  readonly #key = randomBytes(32)
  /** By the hash of the cookie. */
  readonly #sessions = new Map<string, { readonly token: Secret; readonly endsAtMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The token that was shown with this cookie. */
  token(cookie: Secret): Secret | undefined {
    const session = this.#sessions.get(cookie.hash())
    if (session === undefined) return undefined
    if (this.#clock.monotonic() < session.endsAtMs) return session.token
    this.close(cookie)
    return undefined
  }

  /** Always under a new cookie: one from before may be known to others. */
  open(token: Secret): Secret {
    const cookie = Secret.mint()
    if (this.#sessions.size >= sessionsMax) this.#sessions.delete(this.#sessions.keys().next().value!)
    this.#sessions.set(cookie.hash(), { token, endsAtMs: this.#clock.monotonic() + sessionMsMax })
    return cookie
  }

  close(cookie: Secret): void {
    this.#sessions.delete(cookie.hash())
  }

  /** What a form carries: only a page that this visitor was given has it. */
  formKey(cookie: Secret): string {
    return createHmac('sha256', this.#key).update(cookie.reveal()).digest('base64url')
  }

  isFormKey(cookie: Secret, key: string): boolean {
    const [given, expected] = [Buffer.from(key), Buffer.from(this.formKey(cookie))]
    return given.length === expected.length && timingSafeEqual(given, expected)
  }
}

export function readCookie(header: string | undefined): Secret | undefined {
  const value = cookiePattern.exec(header ?? '')?.[1]
  return value === undefined ? undefined : new Secret(value)
}

/** For the path that the pages are at, as the browser sees it, which a proxy may have changed: so none is named. */
export function cookieField(cookie: Secret, secure: boolean): string {
  return `${cookieName}=${cookie.reveal()}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`
}
