/** A secret never prints, and matches only its own hash. */
import { format, inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Secret } from './secret.ts'

describe('a secret', () => {
  it('prints as [secret] in every form', () => {
    const secret = Secret.mint()
    const forms = [
      String(secret),
      `${secret}`,
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ deep: [secret] }, { showHidden: true }),
      format('%s %o %j', secret, secret, secret),
    ]
    for (const form of forms) {
      expect(form).not.toContain(secret.reveal())
      expect(form).toContain('[secret]')
    }
  })

  it('has 256 bits and fits a header and a shell', () => {
    expect(Secret.mint().reveal()).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(new Set(Array.from({ length: 100 }, () => Secret.mint().reveal())).size).toBe(100)
  })

  it('matches its own hash and no other', () => {
    const secret = Secret.mint()
    expect(secret.matches(secret.hash())).toBe(true)
    expect(secret.matches(Secret.mint().hash())).toBe(false)
    expect(secret.matches('')).toBe(false)
    expect(new Secret('').matches(secret.hash())).toBe(false)
  })
})
