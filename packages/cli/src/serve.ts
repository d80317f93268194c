/** `supercargo serve`: hands over to the staging server. */
import { existsSync } from 'node:fs'
import { loadConfig, printConfig, serve as runServer } from '@supercargo/server'
import type { Run } from './invocation.ts'
import { serveOptions } from './serve-options.ts'

export const serve: Run = async ({ settings, io }) => {
  const flags = Object.fromEntries(
    serveOptions
      .filter(({ name }) => name !== 'print-config' && settings.text(name) !== undefined)
      .map(({ name }) => [name, settings.text(name)]),
  )
  const config = await loadConfig({ flags, environment: io.env })
  if (settings.on('print-config')) io.stdout(printConfig(config))
  else await runServer(config, { signal: io.signal, ...bundledCollector() })
  return 0
}

/** In a bundle the collector's thread has its program one floor up; from source the server knows where it is. */
function bundledCollector(): { readonly collectorUrl?: URL } {
  const url = new URL('../worker.mjs', import.meta.url)
  return import.meta.url.endsWith('.mjs') && existsSync(url) ? { collectorUrl: url } : {}
}
