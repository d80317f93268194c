/** Ports and answers on the loopback address. */
import { connect, createServer } from 'node:net'
import { SupercargoError } from '@supercargo/protocol'

export const loopback = '127.0.0.1'

/** A port that nobody listens on at this moment. */
export function freePort(host = loopback): Promise<number> {
  return bindOnce(0, host)
}

/** Says in a sentence when a wanted port is taken. */
export async function requirePort(port: number, host = loopback): Promise<number> {
  try {
    return await bindOnce(port, host)
  } catch (cause) {
    throw new SupercargoError('conflict', 'port-taken', `port ${port} of ${host} is taken`, {
      cause,
      hint: 'Stop what listens there, or let the service choose a free port.',
    })
  }
}

/** Whether somebody listens there. */
export function listens(port: number, host = loopback): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host)
    const answer = (listening: boolean) => (): void => {
      socket.destroy()
      resolve(listening)
    }
    socket.once('connect', answer(true)).once('error', answer(false))
  })
}

function bindOnce(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ port, host, exclusive: true }, () => {
      const bound = server.address() as { port: number }
      server.close(() => resolve(bound.port))
    })
  })
}
