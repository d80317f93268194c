/** System calls of a running process that fail on purpose: strace, attached and let go again. */
import { spawn, spawnSync } from 'node:child_process'
import { ended } from './staging-server.ts'

/** strace is there, and may attach to a process of ours. */
export const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0

export interface Tracer {
  /** Lets go; from then on the calls are the kernel's own again. */
  detach(): Promise<void>
}

/** Makes the named calls of all threads of `pid` fail; `how` is what strace's `inject` takes: `error=EIO`, `error=EINTR:when=1`. */
export async function failCalls(pid: number, calls: string, how: string): Promise<Tracer> {
  const tracer = spawn(
    'strace',
    ['-f', '-p', String(pid), '-o', '/dev/null', '-e', `trace=${calls}`, '-e', `inject=${calls}:${how}`],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  const end = ended(tracer)
  await new Promise<void>((resolve, reject) => {
    let said = ''
    tracer.stderr!.on('data', (text) => {
      said += text
      if (/attached/.test(said)) resolve()
    })
    tracer.once('close', () => reject(new Error(`strace: ${said}`)))
  })
  return {
    detach: async () => {
      tracer.kill('SIGINT')
      await end
    },
  }
}
