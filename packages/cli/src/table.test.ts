/** Columns stand under each other, whatever is in them. */
import { describe, expect, it } from 'vitest'
import { table } from './table.ts'

describe('a table', () => {
  it('aligns its columns, numbers to the right, without blanks at the end', () => {
    const rows = [
      ['a', '1 B', 'x'],
      ['日本', '12 KiB', ''],
      ['long name', '3 B', 'y'],
    ]
    expect(table(['NAME', 'SIZE', 'END'], rows, [1])).toBe(
      ['NAME         SIZE  END', 'a             1 B  x', '日本       12 KiB', 'long name     3 B  y', ''].join('\n'),
    )
  })
})
