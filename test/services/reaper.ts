/** Waits for the end of the process that started it, however it ends, and then stops the run that it was given. */
import { stopRun } from './run.ts'

const run = process.argv[2]!
// The pipe's other end closes with the owner; SIGINT and SIGTERM are for the owner, not for us.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.stdin.resume()
process.stdin.once('error', () => process.stdin.destroy())
process.stdin.once('close', () => void stopRun(run))
