/** What an interruption does to a driver, with and without somebody to ask. */
import { expect, it } from 'vitest'
import { whatToDo } from './interruption.ts'

it.each([
  ['ask', 's', 'stop'],
  ['ask', ' Stop ', 'stop'],
  ['ask', '', 'detach'],
  ['ask', 'd', 'detach'],
  ['ask', undefined, 'detach'],
  ['ask', 'nobody', 'stop'],
  ['detach', 's', 'detach'],
  ['stop', 'd', 'stop'],
] as const)('%s with the answer %j means %s', async (choice, answer, meaning) => {
  const ask = answer === 'nobody' ? undefined : async () => answer
  expect(await whatToDo({ choice, ask })).toBe(meaning)
})
