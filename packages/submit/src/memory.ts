/** Memory as Spark writes it, and the overhead that it adds to a pod. */
import { SupercargoError } from '@supercargo/protocol'
import type { Configuration } from './configuration.ts'

const mebibytes: Readonly<Record<string, number>> = {
  b: 2 ** -20,
  k: 2 ** -10,
  kb: 2 ** -10,
  m: 1,
  mb: 1,
  g: 2 ** 10,
  gb: 2 ** 10,
  t: 2 ** 20,
  tb: 2 ** 20,
  p: 2 ** 30,
  pb: 2 ** 30,
}

const overheadMinMebibytes = 384

/** Mebibytes of `512m`, `2g`, or of a bare number, which is mebibytes. `said` names it in messages. */
export function parseMemory(text: string, said: string): number {
  const match = /^(\d+)([a-z]+)?$/.exec(text.trim().toLowerCase())
  const unit = match === null ? undefined : mebibytes[match[2] ?? 'm']
  if (unit === undefined)
    throw new SupercargoError('invalid', 'bad-memory', `${said} is "${text}", which is no amount of memory`, {
      hint: 'write a whole number with a unit: 512m, 2g',
    })
  return Math.floor(Number(match![1]) * unit)
}

/** Mebibytes of the driver's pod: its heap and what it needs beside it. */
export function driverMemory(configuration: Configuration, factor: number): number {
  const key = 'spark.driver.memory'
  const heap = parseMemory(configuration.text(key) ?? '1g', configuration.said(key))
  const exact = 'spark.driver.memoryOverhead'
  const given = configuration.text(exact)
  if (given !== undefined) return heap + parseMemory(given, configuration.said(exact))
  const least = 'spark.driver.minMemoryOverhead'
  const min = parseMemory(configuration.text(least) ?? `${overheadMinMebibytes}m`, configuration.said(least))
  const own = 'spark.driver.memoryOverheadFactor'
  const share =
    configuration.text(own) === undefined ? factor : parseFactor(configuration.text(own)!, configuration.said(own))
  return heap + Math.max(Math.floor(heap * share), min)
}

/** `spark.kubernetes.memoryOverheadFactor`, else Spark's own for the language. */
export function overheadFactor(configuration: Configuration, language: 'java' | 'python' | 'r'): number {
  const key = 'spark.kubernetes.memoryOverheadFactor'
  const text = configuration.text(key)
  if (text !== undefined) return parseFactor(text, configuration.said(key))
  return language === 'java' ? 0.1 : 0.4
}

function parseFactor(text: string, said: string): number {
  const factor = Number(text)
  if (Number.isFinite(factor) && factor >= 0 && text.trim() !== '') return factor
  throw new SupercargoError('invalid', 'bad-factor', `${said} is "${text}", which is no factor`, { hint: 'write 0.1' })
}
