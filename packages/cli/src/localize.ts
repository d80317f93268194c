/** `supercargo localize`: hands over to the localizer. */
import { hasLittleMemory, localizeCommand } from '@supercargo/localizer'
import type { Run } from './invocation.ts'
import { restartWith } from './restart.ts'

/**
 * V8 without its compilers, with one small young generation and early collections that are done at once: 25 MiB less with a
 * thousand files, for a third more CPU time. A running process cannot change that. In a clone Node needs a compiler, to read
 * TypeScript.
 */
const littleMemoryFlags = [
  ...(import.meta.url.endsWith('.ts') ? [] : ['--lite-mode']),
  '--max-semi-space-size=1',
  '--initial-old-space-size=8',
  '--no-incremental-marking',
  '--single-threaded-gc',
]
/** What was needed to read the program's code goes back to the system: 3 MiB. Of glibc; others do not know the names. */
const littleMemoryEnvironment = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: '16384',
  MALLOC_TOP_PAD_: '0',
  MALLOC_TRIM_THRESHOLD_: '16384',
}

export const localize: Run = ({ argv, io }) => {
  if (hasLittleMemory(argv, io.env)) restartWith(littleMemoryFlags, littleMemoryEnvironment)
  return localizeCommand(argv, io)
}
