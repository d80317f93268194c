/** Calls between two threads over one port: named methods, few messages, errors that arrive as our own. */
import { type ErrorKind, SupercargoError, toSupercargoError } from '@supercargo/protocol'

export interface ThreadPort {
  postMessage(message: unknown): void
  on(event: 'message', listener: (message: unknown) => void): unknown
}

export interface ThreadCalls {
  /** Calls a method of the other side and waits for its answer. */
  call(method: string, ...parameters: unknown[]): Promise<unknown>
  /** Calls a method of the other side without an answer. */
  tell(method: string, ...parameters: unknown[]): void
  /** Rejects all that still wait. */
  end(reason: SupercargoError): void
}

/** What this side offers to the other. */
export type ThreadMethods = Readonly<Record<string, (...parameters: never[]) => unknown>>

interface Message {
  readonly id?: number
  readonly method?: string
  readonly parameters?: readonly unknown[]
  readonly value?: unknown
  readonly error?: PlainError
}

interface PlainError {
  readonly kind: ErrorKind
  readonly code: string
  readonly message: string
  readonly hint: string | undefined
}

/** Both sides say what they offer; `onFailure` hears of failures that nobody waits for. */
export function connectThreads(
  port: ThreadPort,
  methods: ThreadMethods,
  onFailure: (error: SupercargoError) => void,
): ThreadCalls {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: SupercargoError) => void }>()
  let ended: SupercargoError | undefined
  let lastId = 0

  async function answer({ id, method, parameters }: Message): Promise<void> {
    try {
      const work = methods[method!]
      if (work === undefined)
        throw new SupercargoError('internal', 'unknown-method', `the other thread has no method ${method}`)
      const value = await work(...((parameters ?? []) as never[]))
      if (id !== undefined) port.postMessage({ id, value })
    } catch (error) {
      const ours = toSupercargoError(error)
      const { kind, code, message, hint } = ours
      if (id === undefined) onFailure(ours)
      else port.postMessage({ id, error: { kind, code, message, hint } satisfies PlainError })
    }
  }

  port.on('message', (received) => {
    const message = received as Message
    if (message.method !== undefined) return void answer(message)
    const waiter = waiting.get(message.id!)
    waiting.delete(message.id!)
    const { error } = message
    if (error === undefined) waiter?.resolve(message.value)
    else waiter?.reject(new SupercargoError(error.kind, error.code, error.message, { hint: error.hint }))
  })

  return {
    call: (method, ...parameters) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended)
        const id = ++lastId
        waiting.set(id, { resolve, reject })
        port.postMessage({ id, method, parameters })
      }),
    tell: (method, ...parameters) => {
      if (ended === undefined) port.postMessage({ method, parameters })
    },
    end: (reason) => {
      ended = reason
      for (const { reject } of waiting.values()) reject(reason)
      waiting.clear()
    },
  }
}
