/** The termination message: complete, valid, within 4096 bytes, and without secrets. */
import { SupercargoError } from '@supercargo/protocol'
import { describe, expect, it } from 'vitest'
import { failureMessage, terminationBytesMax } from './termination.ts'

const same = (text: string) => text

describe('the termination message', () => {
  it('says what, why, where and what to do', () => {
    const error = new SupercargoError('notFound', 'http-404', 'a.jar: http://h/a.jar answered 404', {
      hint: 'look',
      cause: new Error('inner'),
      context: { item: 'a.jar', source: 'http://h/a.jar', attempts: 2, others: ['b'] },
    })
    expect(JSON.parse(failureMessage(error, 12.4, 66, same))).toEqual({
      version: 1,
      ok: false,
      kind: 'notFound',
      code: 'http-404',
      message: 'a.jar: http://h/a.jar answered 404',
      hint: 'look',
      item: 'a.jar',
      source: 'http://h/a.jar',
      attempts: 2,
      elapsedMs: 12,
      exitCode: 66,
      causes: ['inner'],
      others: ['b'],
    })
  })

  it.each(['x', 'ü', '€', '😀', '\u0001', '"', '\ud800'])(
    'of any amount of %j fits 4096 bytes and is valid JSON and UTF-8',
    (letter) => {
      for (const length of [10, 500, 1024, 2048, 5000, 100_000]) {
        const text = letter.repeat(length)
        const error = new SupercargoError('invalid', 'x', text, {
          hint: text,
          cause: new Error(`${text}!`),
          context: { item: text, source: text, others: [text, text] },
        })
        const message = failureMessage(error, 1, 65, same)
        const bytes = Buffer.from(message)
        expect(bytes.length).toBeLessThanOrEqual(terminationBytesMax)
        expect(new TextDecoder('utf-8', { fatal: true }).decode(bytes)).toBe(message)
        expect(JSON.parse(message)).toMatchObject({ version: 1, ok: false, kind: 'invalid', code: 'x', exitCode: 65 })
        expect((JSON.parse(message) as { message: string }).message.length).toBeGreaterThan(Math.min(length, 60) - 1)
      }
    },
  )

  it('holds no secret in any of its texts', () => {
    const text = 'say canary-secret aloud'
    const error = new SupercargoError('invalid', 'x', text, {
      hint: text,
      cause: new Error(`${text}!`),
      context: { item: text, source: text, others: [text] },
    })
    expect(failureMessage(error, 1, 65, (value) => value.replaceAll('canary-secret', '[secret]'))).not.toContain(
      'canary',
    )
  })
})
