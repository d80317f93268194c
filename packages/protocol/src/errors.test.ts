/** The kind table, the brand, and what becomes of foreign errors. */
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { causeChain, kindTable, SupercargoError, toSupercargoError } from './errors.ts'

describe('an error', () => {
  it('takes status, exit code and retry from its kind', () => {
    for (const [kind, row] of Object.entries(kindTable)) {
      const error = new SupercargoError(kind as keyof typeof kindTable, 'some-code', 'text')
      expect([error.status, error.exitCode, error.retry]).toEqual([row.status, row.exitCode, row.retry])
    }
  })

  it('is worth another try only for what can pass by itself', () => {
    expect(
      Object.entries(kindTable)
        .filter(([, row]) => row.retry)
        .map(([kind]) => kind),
    ).toEqual(['unavailable', 'interrupted'])
  })

  it('is recognised by its brand, not by its class', () => {
    const copy = Object.defineProperty(new Error('x'), Symbol.for('supercargo.error'), { value: true })
    expect(SupercargoError.is(copy)).toBe(true)
    expect(SupercargoError.is(new Error('x'))).toBe(false)
    expect(SupercargoError.is(null)).toBe(false)
  })

  it('keeps the chain of causes when a foreign error is wrapped', () => {
    const wrapped = toSupercargoError(new Error('outer', { cause: new Error('inner') }))
    expect(wrapped.kind).toBe('internal')
    expect(causeChain(wrapped)).toEqual(['unexpected failure: outer', 'outer', 'inner'])
    expect(toSupercargoError(wrapped)).toBe(wrapped)
    expect(inspect(wrapped)).toContain('inner')
  })
})
