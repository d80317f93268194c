/** The word that was probably meant. */
import { describe, expect, it } from 'vitest'
import { nearest } from './nearest.ts'

describe('the nearest word', () => {
  it.each([
    ['stgae', 'stage'],
    ['stag', 'stage'],
    ['reso', 'resources'],
    ['fetsh', 'fetch'],
    ['lisen', 'listen'],
    ['LISTEN', 'listen'],
    ['logLevl', 'logLevel'],
    ['loglevel', 'logLevel'],
    ['completely-else', undefined],
    ['elephant', undefined],
    ['x', undefined],
    ['', undefined],
  ])('to %j is %j', (word, expected) => {
    expect(nearest(word, ['serve', 'stage', 'fetch', 'resources', 'listen', 'logLevel'])).toBe(expected)
  })
})
