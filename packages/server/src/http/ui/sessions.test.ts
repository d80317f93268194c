/** What the server remembers of visitors, and for how long. */
import { Secret } from '@supercargo/protocol'
import { ManualClock } from '@supercargo/transfer'
import { describe, expect, it } from 'vitest'
import { cookieField, readCookie, Sessions, sessionMsMax } from './sessions.ts'

describe('a session', () => {
  it('ends after half an hour, however often it is used', () => {
    const clock = new ManualClock()
    const sessions = new Sessions(clock)
    const cookie = sessions.open(new Secret('a.b.c'))
    for (let minutes = 0; minutes < 29; minutes++) {
      clock.advance(60_000)
      expect(sessions.token(cookie)?.reveal()).toBe('a.b.c')
    }
    clock.advance(sessionMsMax - 29 * 60_000)
    expect(sessions.token(cookie)).toBeUndefined()
  })

  it('ends when its visitor signs out, and is nobody else’s', () => {
    const sessions = new Sessions(new ManualClock())
    const [one, other] = [sessions.open(new Secret('one')), sessions.open(new Secret('other'))]
    sessions.close(one)
    expect(sessions.token(one)).toBeUndefined()
    expect(sessions.token(other)?.reveal()).toBe('other')
    expect(sessions.token(Secret.mint())).toBeUndefined()
  })

  it('makes room for another when there are too many: the oldest goes', () => {
    const sessions = new Sessions(new ManualClock())
    const first = sessions.open(new Secret('first'))
    const second = sessions.open(new Secret('second'))
    for (let opened = 2; opened < 1001; opened++) sessions.open(new Secret('more'))
    expect(sessions.token(first)).toBeUndefined()
    expect(sessions.token(second)?.reveal()).toBe('second')
  })

  it('has a cookie that no script and no other site can use', () => {
    const cookie = Secret.mint()
    expect(cookieField(cookie, true)).toMatch(/^supercargo-ui=[\w-]{43}; HttpOnly; SameSite=Strict; Secure$/)
    expect(cookieField(cookie, false)).not.toContain('Secure')
    expect(readCookie(`a=b; supercargo-ui=${cookie.reveal()}; c=d`)?.reveal()).toBe(cookie.reveal())
    for (const bad of [undefined, '', 'supercargo-ui=', 'supercargo-ui=short', `not-supercargo-ui=${cookie.reveal()}`])
      expect(readCookie(bad)).toBeUndefined()
  })

  it('has a form key of its own, which other cookies and other processes do not know', () => {
    const sessions = new Sessions(new ManualClock())
    const [mine, other] = [Secret.mint(), Secret.mint()]
    const key = sessions.formKey(mine)
    expect(sessions.isFormKey(mine, key)).toBe(true)
    for (const bad of ['', 'x', key.slice(1), `${key}A`, sessions.formKey(other), 'ü'.repeat(43)])
      expect(sessions.isFormKey(mine, bad)).toBe(false)
    expect(new Sessions(new ManualClock()).isFormKey(mine, key)).toBe(false)
  })
})
