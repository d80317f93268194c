/** What is remembered for seconds: never more than the bounds, never longer, never a failure. */
import { expect, it } from 'vitest'
import { fromShortCache, type ShortCache } from './short-cache.ts'

const signal = new AbortController().signal

interface Bench {
  readonly cache: ShortCache<string>
  readonly asked: string[]
  nowMs: number
  get(key: string): Promise<string>
}

function bench(options: { readonly entriesMax?: number; readonly askingMax?: number } = {}): Bench {
  const asked: string[] = []
  const made: Bench = {
    cache: fromShortCache({ now: () => made.nowMs, entriesMax: 3, keptForMs: () => 1000, ...options }),
    asked,
    nowMs: 0,
    get: (key) =>
      made.cache.get(
        key,
        async () => {
          asked.push(key)
          return `${key}!`
        },
        signal,
      ),
  }
  return made
}

it('keeps no more entries than its bound: the expired go first, then the oldest', async () => {
  const { get, asked } = bench()
  for (const key of ['a', 'b', 'c', 'd']) await get(key)
  for (const key of ['b', 'c', 'd']) await get(key)
  expect(asked).toEqual(['a', 'b', 'c', 'd'])
  await get('a')
  expect(asked.at(-1)).toBe('a')
})

it('drops what has expired before what has not', async () => {
  const made = bench()
  await made.get('a')
  made.nowMs = 900
  for (const key of ['b', 'c']) await made.get(key)
  made.nowMs = 1100
  await made.get('d')
  made.asked.length = 0
  for (const key of ['b', 'c', 'd']) await made.get(key)
  expect(made.asked).toEqual([])
})

it('counts the age from the question, not from its answer', async () => {
  const made = bench()
  const answer = Promise.withResolvers<string>()
  const first = made.cache.get('a', () => answer.promise, signal)
  made.nowMs = 999
  answer.resolve('late')
  expect([await first, await made.get('a')]).toEqual(['late', 'late'])
  made.nowMs = 1000
  expect(await made.get('a')).toBe('a!')
})

it('keeps no failure', async () => {
  const made = bench()
  await expect(made.cache.get('a', () => Promise.reject(new Error('no')), signal)).rejects.toThrow('no')
  expect(await made.get('a')).toBe('a!')
})

it('asks no more questions at a time than its bound, and lets those wait who share one', async () => {
  const made = bench({ askingMax: 2 })
  const gate = Promise.withResolvers<string>()
  const waiting = ['a', 'b', 'a'].map((key) => made.cache.get(key, () => gate.promise, signal))
  await expect(made.get('c')).rejects.toMatchObject({ kind: 'unavailable', code: 'too-many-questions' })
  gate.resolve('yes')
  expect(await Promise.all(waiting)).toEqual(['yes', 'yes', 'yes'])
  expect(await made.get('c')).toBe('c!')
})

it('ends a question that nobody waits for any more', async () => {
  const made = bench({ askingMax: 1 })
  const leave = new AbortController()
  const question = Promise.withResolvers<AbortSignal>()
  const ask = (shared: AbortSignal): Promise<string> => {
    question.resolve(shared)
    return new Promise((_, reject) => shared.addEventListener('abort', () => reject(shared.reason as Error)))
  }
  const asked = made.cache.get('a', ask, leave.signal)
  leave.abort()
  await expect(asked).rejects.toMatchObject({ code: 'aborted' })
  expect([(await question.promise).aborted, await made.get('b')]).toEqual([true, 'b!'])
})
