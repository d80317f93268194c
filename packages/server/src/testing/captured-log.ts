/** A log whose lines a test can read. */
import { Writable } from 'node:stream'
import { createLog, type Log, type LogLevel } from '../log.ts'

export interface CapturedLog {
  readonly log: Log
  /** Everything that was logged so far. */
  text(): string
}

export function captureLog(level: LogLevel = 'trace'): CapturedLog {
  const lines: string[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  return { log: createLog({ level, destination }), text: () => lines.join('') }
}
