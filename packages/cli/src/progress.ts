/** Progress for whoever waits: a bar on a terminal, a line every few seconds elsewhere, nothing when asked to be quiet. */
import type { Progress } from '@supercargo/client'
import { formatBytes, formatDuration } from '@supercargo/protocol'
import { colourful, type Io } from './io.ts'

const drawIntervalMs = 100
const lineIntervalMs = 5000
/** The rate is of about the last seconds, so that it follows what happens. */
const rateWindowMs = 5000

const verbs: Readonly<Record<Progress['phase'], string>> = {
  hashing: 'reading',
  sending: 'sending',
  fetching: 'fetching',
}

export class ProgressLine {
  readonly #io: Io
  readonly #quiet: boolean
  readonly #startMs: number
  #phase: Progress['phase'] | undefined
  #shownMs: number
  #drawn = false
  #samples: { atMs: number; bytes: number }[] = []

  constructor(io: Io, quiet: boolean) {
    this.#io = io
    this.#quiet = quiet
    this.#startMs = io.clock.monotonic()
    this.#shownMs = this.#startMs
  }

  readonly update = (progress: Progress): void => {
    if (this.#quiet) return
    const nowMs = this.#io.clock.monotonic()
    if (progress.phase !== this.#phase) {
      this.#phase = progress.phase
      this.#samples = []
    }
    const interval = this.#io.stderrIsTerminal ? drawIntervalMs : lineIntervalMs
    if (nowMs - this.#shownMs < interval) return
    this.#shownMs = nowMs
    this.#samples.push({ atMs: nowMs, bytes: progress.bytes })
    while (this.#samples.length > 2 && nowMs - this.#samples[0]!.atMs > rateWindowMs) this.#samples.shift()
    if (this.#io.stderrIsTerminal) this.#draw(progress)
    else this.#io.stderr(`${this.#text(progress)}\n`)
  }

  /** A whole line; a bar that is being drawn makes room for it. */
  note(text: string): void {
    if (this.#quiet) return
    this.clear()
    this.#io.stderr(`${text}\n`)
  }

  /** Takes the bar away. */
  clear(): void {
    if (this.#drawn) this.#io.stderr('\r\u001b[K')
    this.#drawn = false
  }

  /** Since the beginning. */
  get elapsedMs(): number {
    return this.#io.clock.monotonic() - this.#startMs
  }

  #draw(progress: Progress): void {
    const text = this.#text(progress)
    const room = Math.min(30, this.#io.columns - text.length - 4)
    const share = progress.bytesTotal === 0 ? 0 : Math.min(1, progress.bytes / progress.bytesTotal)
    const full = '#'.repeat(Math.round(share * Math.max(0, room)))
    const bar = room < 5 ? '' : ` [${this.#coloured(full)}${'.'.repeat(room - full.length)}]`
    this.#io.stderr(`\r${text.slice(0, this.#io.columns - 1)}${bar}\u001b[K`)
    this.#drawn = true
  }

  #coloured(text: string): string {
    return colourful(this.#io) ? `\u001b[36m${text}\u001b[39m` : text
  }

  #text({ phase, bytes, bytesTotal }: Progress): string {
    const first = this.#samples[0]!
    const last = this.#samples.at(-1)!
    const bytesPerMs = last.atMs > first.atMs ? (last.bytes - first.bytes) / (last.atMs - first.atMs) : 0
    const rate = bytesPerMs > 0 ? `, ${formatBytes(Math.round(bytesPerMs * 1000))}/s` : ''
    const left =
      bytesPerMs > 0 && bytes < bytesTotal ? `, ${formatDuration((bytesTotal - bytes) / bytesPerMs)} left` : ''
    return `${verbs[phase]} ${formatBytes(bytes)} of ${formatBytes(bytesTotal)}${rate}${left}`
  }
}
