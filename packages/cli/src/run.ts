/** The command from its arguments to its exit code: what `main` does with the real world and a test with its own. */
import { type SupercargoError, toSupercargoError } from '@supercargo/protocol'
import { type Request, readArguments } from './arguments.ts'
import { helpOf, overview } from './help.ts'
import type { Io } from './io.ts'
import { printError } from './print-error.ts'
import { programs } from './programs.ts'
import { exitCodeOf, interruptedExitCode } from './settings.ts'
import { version } from './version.ts'

/** Never rejects. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  let request: Request
  try {
    request = readArguments(argv, io.env)
  } catch (error) {
    return fail(io, toSupercargoError(error), argv.includes('--json'), false)
  }
  if (request.kind === 'version') {
    io.stdout(`supercargo ${version}\n`)
    return 0
  }
  if (request.kind === 'help') {
    io.stdout(request.command === undefined ? overview(request.group) : helpOf(request.command))
    return 0
  }
  const { command, settings } = request
  try {
    const program = await programs[command.name]!()
    return await program({ ...request, io })
  } catch (error) {
    const debug = ['debug', 'trace'].includes(settings.text('log-level') ?? '')
    const code = fail(io, toSupercargoError(error), settings.on('json'), debug)
    return io.signal.aborted ? interruptedExitCode : code
  }
}

function fail(io: Io, error: SupercargoError, json: boolean, debug: boolean): number {
  printError(io, error, { json, debug })
  return exitCodeOf(error)
}
