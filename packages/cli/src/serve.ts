/** `supercargo serve`: hands over to the staging server. */
import { type Config, createLog, loadConfig, printConfig, serve as runServer } from '@supercargo/server'
import type { Run } from './invocation.ts'
import type { Io } from './io.ts'
import { serveOptions } from './serve-options.ts'

export const serve: Run = async ({ settings, io }) => {
  const flags = Object.fromEntries(
    serveOptions
      .filter(({ name }) => name !== 'print-config' && settings.text(name) !== undefined)
      .map(({ name }) => [name, settings.text(name)]),
  )
  const config = await loadConfig({ flags, environment: io.env })
  if (settings.on('print-config')) io.stdout(printConfig(config))
  else await runThroughHangUps(config, io)
  return 0
}

/** By default SIGHUP ends a process at once, bytes on the way or not; from a server it is meant as "read your settings again". */
async function runThroughHangUps(config: Config, { signal, env: environment }: Io): Promise<void> {
  const log = createLog({ level: config.logLevel })
  const onHangUp = (): void =>
    log.warn(
      'SIGHUP changes nothing: the configuration is read at the start, certificates are read again when they change',
    )
  process.on('SIGHUP', onHangUp)
  try {
    await runServer(config, { signal, log, environment })
  } finally {
    process.off('SIGHUP', onHangUp)
  }
}
