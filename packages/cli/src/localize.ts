/** `supercargo localize`: hands over to the localizer. */
import { hasLittleMemory, localizeCommand } from '@supercargo/localizer'
import type { Run } from './invocation.ts'
import { restartWith } from './restart.ts'

/**
 * V8 without its compilers and with one small young generation: 16 MiB less, for a third more CPU time. A running process
 * cannot change that. In a clone Node needs a compiler, to read TypeScript.
 */
const littleMemoryFlags = [
  ...(import.meta.url.endsWith('.ts') ? [] : ['--lite-mode']),
  '--max-semi-space-size=1',
  '--single-threaded-gc',
]

export const localize: Run = ({ argv, io }) => {
  if (hasLittleMemory(argv, io.env)) restartWith(littleMemoryFlags)
  return localizeCommand(argv, io)
}
