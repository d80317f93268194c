/** What a log line says of an error, and what it never says. */
import { Secret, SupercargoError } from '@supercargo/protocol'
import { describe, expect, it } from 'vitest'
import type { Log } from './log.ts'
import { captureLog } from './testing/captured-log.ts'

function logged(write: (log: Log) => void): Record<string, unknown> {
  const { log, text } = captureLog()
  write(log)
  return JSON.parse(text())
}

describe('a log line', () => {
  it('holds an error as kind, code, message and causes, and no field of a foreign error', () => {
    const foreign = Object.assign(new Error('refused'), { headers: { authorization: 'canary' } })
    const line = logged((log) =>
      log.error(
        { error: new SupercargoError('unavailable', 'store-down', 'the store is down', { cause: foreign }) },
        'failed',
      ),
    )
    expect(line).toMatchObject({
      level: 'error',
      msg: 'failed',
      error: { kind: 'unavailable', code: 'store-down', message: 'the store is down', causes: ['refused'] },
    })
    expect(JSON.stringify(line)).not.toContain('canary')
    expect(line.time).toMatch(/^\d{4}-\d{2}-\d{2}T/)
  })

  it('has a stack only for what is a defect', () => {
    expect(logged((log) => log.error({ error: new Error('bug') }, 'x')).error).toMatchObject({
      kind: 'internal',
      stack: expect.stringContaining('bug'),
    })
  })

  it('prints a secret as [secret]', () => {
    expect(logged((log) => log.info({ secret: new Secret('canary') }, 'x')).secret).toBe('[secret]')
  })
})
