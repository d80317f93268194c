/** A world for a command under test: what it said is kept, its time is told. */
import { ManualClock } from '@supercargo/transfer'
import type { Io } from '../io.ts'

export interface TestIo extends Io {
  readonly clock: ManualClock
  readonly out: () => string
  readonly err: () => string
}

export function testIo(given: Partial<Io> = {}): TestIo {
  let out = ''
  let err = ''
  return {
    stdout: (text) => {
      out += text
    },
    stderr: (text) => {
      err += text
    },
    stderrIsTerminal: false,
    columns: 80,
    env: {},
    signal: new AbortController().signal,
    ...given,
    clock: new ManualClock(),
    out: () => out,
    err: () => err,
  }
}
