/** The word that was probably meant. */
import { describe, expect, it } from 'vitest'
import { nearest } from './nearest.ts'

describe('the nearest word', () => {
  it.each([
    ['lisen', 'listen'],
    ['LISTEN', 'listen'],
    ['stroe', 'store'],
    ['logLevl', 'logLevel'],
    ['completely-else', undefined],
    ['x', undefined],
  ])('to %s is %s', (word, expected) => {
    expect(nearest(word, ['listen', 'store', 'logLevel', 'auth'])).toBe(expected)
  })
})
