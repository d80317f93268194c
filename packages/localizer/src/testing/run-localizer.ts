/** The localizer as a process of its own, for tests that kill it: `node run-localizer.ts ARGUMENTS…`. */
import { SupercargoError } from '@supercargo/protocol'
import { localizeCommand } from '../main.ts'

const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => stop.abort(new SupercargoError('interrupted', 'stopped-by-signal', `stopped by ${signal}`)))
}
process.exitCode = await localizeCommand(process.argv.slice(2), {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  env: process.env,
  signal: stop.signal,
})
