/** Sizes and durations as people write them (`64Mi`, `30s`), and as they read them. */
import { SupercargoError } from './errors.ts'

const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  t: 1e12,
  tb: 1e12,
  ki: 2 ** 10,
  kib: 2 ** 10,
  mi: 2 ** 20,
  mib: 2 ** 20,
  gi: 2 ** 30,
  gib: 2 ** 30,
  ti: 2 ** 40,
  tib: 2 ** 40,
}

const durationUnits: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1e3, m: 6e4, min: 6e4, h: 3.6e6, d: 8.64e7 }

/** Bytes. Units are Kubernetes' quantities: `k M G T` are powers of 1000, `Ki Mi Gi Ti` of 1024. */
export function parseSize(text: string): number {
  return parse(text, sizeUnits, 'size', '512Mi, 2Gi or a number of bytes')
}

/** Milliseconds. A bare number is milliseconds, as in Spark's time configuration. */
export function parseDuration(text: string): number {
  return parse(text, durationUnits, 'duration', '500ms, 30s, 5m or 1h')
}

function parse(text: string, units: Readonly<Record<string, number>>, what: string, examples: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*$/.exec(text)
  const unit = match === null ? undefined : units[match[2]!.toLowerCase()]
  const value = unit === undefined ? Number.NaN : Math.round(Number(match![1]) * unit)
  if (!Number.isSafeInteger(value)) {
    throw new SupercargoError('invalid', `bad-${what}`, `"${text}" is not a ${what}`, { hint: `write ${examples}` })
  }
  return value
}

/** `1.5 GiB`, `12 KiB`, `87 B`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  const names = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let value = bytes
  let index = -1
  do {
    value /= 1024
    index++
  } while (value >= 1023.95 && index < names.length - 1)
  return `${value < 10 ? value.toFixed(1).replace(/\.0$/, '') : Math.round(value)} ${names[index]}`
}

/** `850 ms`, `2.4 s`, `3 m 20 s`, `2 h 5 m`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1).replace(/\.0$/, '')} s`
  const minutes = Math.floor(ms / 60_000)
  const seconds = Math.round((ms % 60_000) / 1000)
  if (minutes < 60) return seconds === 0 ? `${minutes} m` : `${minutes} m ${seconds} s`
  return minutes % 60 === 0 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} m`
}
