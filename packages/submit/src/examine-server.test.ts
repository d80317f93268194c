/** What doctor says of the staging server, by what answers at its address. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { examineServer } from './examine-server.ts'

/** How whatever stands there treats a large body: a status of its own, the server's word, a question for it, silence. */
type Answer = 'page' | 'problem' | 'continue' | 'silence' | 'denied'

let http: Server
let server: string
let ready = 200
let answer: Answer = 'denied'
let received = 0

beforeAll(async () => {
  http = createServer((_request, response) => response.writeHead(ready).end())
  http.on('checkContinue', (request, response) => {
    request.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    if (answer === 'silence') return
    if (answer === 'continue') return response.writeContinue()
    const type = answer === 'page' ? 'text/html' : 'application/problem+json'
    response.writeHead(answer === 'denied' ? 401 : 413, { 'content-type': type }).end()
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  server = `http://127.0.0.1:${(http.address() as AddressInfo).port}/prefix`
})
afterAll(() => {
  http.closeAllConnections()
  http.close()
})

async function found(): Promise<readonly string[]> {
  const question = { client: undefined as never, namespace: 'n', server, podServer: server, trust: undefined }
  const findings = await examineServer(question, AbortSignal.timeout(15_000))
  // That pods cannot reach a loopback address is told too, and not what is looked at here.
  return findings.filter(({ says }) => !says.startsWith('the pods')).map(({ verdict, says }) => `${verdict}: ${says}`)
}

describe('the staging server', () => {
  it.each<Answer>(['denied', 'problem', 'continue', 'silence'])('is fine when a large body meets: %s', async (each) => {
    answer = each
    expect(await found()).toEqual([`good: the staging server ${server} is ready`])
    expect(received).toBe(0)
  })

  it('is not, when something in front refuses a large body', async () => {
    answer = 'page'
    expect(await found()).toEqual([
      `good: the staging server ${server} is ready`,
      `bad: something in front of the staging server ${server} refuses bodies of 1 GiB`,
    ])
  })

  it('is not, when it is not ready, and then nothing more is asked', async () => {
    answer = 'page'
    ready = 503
    expect(await found()).toEqual([`bad: the staging server ${server} answers 503`])
    ready = 200
  })
})
