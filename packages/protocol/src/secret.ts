/** The resource secret: minted once, stored as a hash, compared in constant time, and never printed. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { inspect } from 'node:util'

const printed = '[secret]'

/** A secret in memory. Every printed form (string, JSON, inspect, template) is `[secret]`; `reveal()` is the only way in. */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  /** 256 random bits, base64url (43 characters): fits any header, any Kubernetes Secret, any shell. */
  static mint(): Secret {
    return new Secret(randomBytes(32).toString('base64url'))
  }

  reveal(): string {
    return this.#value
  }

  /** `sha256:<hex>` of the UTF-8 bytes: what the server keeps. The secret has 256 bits, so no salt or stretching is needed. */
  hash(): string {
    return `sha256:${createHash('sha256').update(this.#value).digest('hex')}`
  }

  /** Constant-time comparison with a stored hash. */
  matches(hash: string): boolean {
    return timingSafeEqual(
      createHash('sha256').update(this.hash()).digest(),
      createHash('sha256').update(hash).digest(),
    )
  }

  toString(): string {
    return printed
  }

  toJSON(): string {
    return printed
  }

  [inspect.custom](): string {
    return printed
  }
}
