/** A lock between processes that the kernel frees when its holder ends, however it ends. */
import { createHash } from 'node:crypto'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { SupercargoError } from '@supercargo/protocol'

export interface KernelLock {
  release(): Promise<void>
}

/** Takes the lock of that name, or says `undefined` when another process holds it. */
export function tryLock(name: string): Promise<KernelLock | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      // A waiter keeps its connection open until the lock is free; an error on it is the waiter's end.
      socket.on('error', () => socket.destroy())
      waiters(server).add(socket)
    })
    server.unref()
    server.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EADDRINUSE') resolve(undefined)
      else reject(new SupercargoError('internal', 'lock-unusable', `cannot take the lock ${name}`, { cause }))
    })
    server.listen(address(name), () => resolve({ release: () => close(server) }))
  })
}

/** Waits for the lock. `onWait` is called once, when somebody else has it. */
export async function lock(
  name: string,
  signal: AbortSignal,
  onWait: () => void = () => undefined,
): Promise<KernelLock> {
  for (let waited = false; ; waited = true) {
    signal.throwIfAborted()
    const taken = await tryLock(name)
    if (taken !== undefined) return taken
    if (!waited) onWait()
    await freed(name, signal)
  }
}

/** An address in Linux's abstract namespace: no file, nothing to clean up, gone with its holder. */
function address(name: string): string {
  return `\0supercargo-test-${createHash('sha256').update(name).digest('hex').slice(0, 40)}`
}

/** Resolves when the holder closes its end, which the kernel does for a killed one. */
function freed(name: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(address(name))
    const abort = (): void => {
      socket.destroy()
      reject(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
    socket.on('error', () => socket.destroy())
    socket.resume()
    socket.once('close', () => {
      signal.removeEventListener('abort', abort)
      resolve()
    })
  })
}

const connections = new WeakMap<Server, Set<Socket>>()

function waiters(server: Server): Set<Socket> {
  const known = connections.get(server) ?? new Set()
  connections.set(server, known)
  return known
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    for (const socket of waiters(server)) socket.destroy()
  })
}
