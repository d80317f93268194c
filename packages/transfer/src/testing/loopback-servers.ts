/** Real servers on 127.0.0.1 that answer as a test says, and clients of them; all are closed together. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { HttpClient, type HttpClientOptions } from '../http-client.ts'

export class LoopbackServers {
  readonly #closing: (() => void)[] = []

  close(): void {
    for (const close of this.#closing.splice(0)) close()
  }

  /** Closes something else with the rest. */
  adopt(close: () => void): void {
    this.#closing.push(close)
  }

  async http(
    answer: (request: IncomingMessage, response: ServerResponse) => void,
  ): Promise<{ url: URL; server: Server }> {
    const server = createServer(answer)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    this.adopt(() => {
      server.closeAllConnections()
      server.close()
    })
    return { server, url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`) }
  }

  async tcp(take: (socket: Socket) => void): Promise<URL> {
    const sockets = new Set<Socket>()
    const server = createTcpServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => {
        // The client hangs up on these on purpose.
      })
      take(socket)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    this.adopt(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  }

  client(options: HttpClientOptions = {}): HttpClient {
    const client = new HttpClient(options)
    this.adopt(() => client.close())
    return client
  }
}
