/** One tab of the browser, in a profile of its own, driven over the debugging protocol. */
import { writeFile } from 'node:fs/promises'
import { SupercargoError } from '@supercargo/protocol'
import { until } from '../until.ts'

export interface Look {
  readonly width: number
  readonly height: number
  readonly scheme: 'light' | 'dark'
}

interface Answer {
  readonly id?: number
  readonly method?: string
  readonly params?: unknown
  readonly result?: Record<string, unknown>
  readonly error?: { readonly message: string }
}

const patienceMs = 30_000

export class BrowserPage {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #session: string | undefined
  #context: unknown
  #last = 0
  /** What the browser complained about: refused styles, broken links, errors. */
  readonly complaints: string[] = []

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => {
      const answer = JSON.parse(String(data)) as Answer
      if (answer.id !== undefined) this.#waiting.get(answer.id)?.(answer)
      else if (answer.method === 'Log.entryAdded') this.complaints.push(JSON.stringify(answer.params))
    })
  }

  static async open(debuggingUrl: string): Promise<BrowserPage> {
    const version = (await (await fetch(`${debuggingUrl}/json/version`)).json()) as { webSocketDebuggerUrl: string }
    const socket = new WebSocket(version.webSocketDebuggerUrl)
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve, { once: true })
      socket.addEventListener('error', reject, { once: true })
    })
    const page = new BrowserPage(socket)
    page.#context = (await page.#send('Target.createBrowserContext')).browserContextId
    const { targetId } = await page.#send('Target.createTarget', {
      url: 'about:blank',
      browserContextId: page.#context,
    })
    const { sessionId } = await page.#send('Target.attachToTarget', { targetId, flatten: true })
    page.#session = sessionId as string
    await page.#send('Page.enable')
    await page.#send('Log.enable')
    return page
  }

  /** Pages then run no script of their own; `ask` still works. */
  async withoutScripts(): Promise<void> {
    await this.#send('Emulation.setScriptExecutionDisabled', { value: true })
  }

  async look({ width, height, scheme }: Look): Promise<void> {
    await this.#send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false })
    await this.#send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] })
  }

  async goTo(url: string): Promise<void> {
    await this.#afterLoad(() => this.#send('Page.navigate', { url }))
  }

  /** Presses a button or follows a link, and waits for the page that it leads to. */
  async press(selector: string): Promise<void> {
    await this.#afterLoad(() => this.ask(`document.querySelector(${JSON.stringify(selector)}).click()`))
  }

  async type(selector: string, text: string): Promise<void> {
    await this.ask(`document.querySelector(${JSON.stringify(selector)}).focus()`)
    await this.#send('Input.insertText', { text })
  }

  async ask<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.#send('Runtime.evaluate', { expression, returnByValue: true })
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`)
    return (result as { value: T }).value
  }

  text(): Promise<string> {
    return this.ask('document.body.innerText')
  }

  /** Of the whole page, for a person to look at. */
  async screenshot(file: string): Promise<void> {
    const { data } = await this.#send('Page.captureScreenshot', { captureBeyondViewport: true })
    await writeFile(file, Buffer.from(data as string, 'base64'))
  }

  async close(): Promise<void> {
    this.#session = undefined
    await this.#send('Target.disposeBrowserContext', { browserContextId: this.#context })
    this.#socket.close()
  }

  /** The next document has been laid out: it is another than the one that we mark here. */
  async #afterLoad(leave: () => Promise<unknown>): Promise<void> {
    await this.ask('document.left = true')
    await leave()
    const arrived = () => this.ask<boolean>('document.left === undefined && document.readyState === "complete"')
    await until('the next page', arrived, { timeoutMs: patienceMs, intervalMs: 10 })
  }

  async #send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#last
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve))
    this.#socket.send(JSON.stringify({ id, method, params, sessionId: this.#session }))
    const { result, error } = await answered
    this.#waiting.delete(id)
    if (error !== undefined) throw new SupercargoError('internal', 'browser', `${method}: ${error.message}`)
    return result ?? {}
  }
}
