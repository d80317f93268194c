/** A real staging server in this process, on a free port, with a store of its own that goes with it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig, serve } from '@supercargo/server'

export interface ServerForTest {
  readonly url: string
  readonly directory: string
  stop(): Promise<void>
}

/** `flags` are those of `supercargo serve`, without dashes. */
export async function startServer(flags: Readonly<Record<string, string>> = {}): Promise<ServerForTest> {
  const directory = await mkdtemp(join(tmpdir(), 'supercargo-flow-'))
  const config = await loadConfig({
    flags: {
      listen: '127.0.0.1:0',
      store: join(directory, 'store'),
      'limits-free-bytes-min': '0',
      'log-level': 'silent',
      'drain-timeout-ms': '100',
      ...flags,
    },
    environment: {},
  })
  const stop = new AbortController()
  let running: Promise<void> | undefined
  const url = await new Promise<string>((resolve, reject) => {
    running = serve(config, { signal: stop.signal, onReady: (ready) => resolve(urlOf(ready)) })
    running.catch(reject)
  })
  return {
    url,
    directory,
    stop: async () => {
      stop.abort()
      await running
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function urlOf(ready: unknown): string {
  return typeof ready === 'string' ? ready : (ready as { url: string }).url
}
