/** Properties are read back as they were written, whatever they hold. */
import { parseProperties } from '@supercargo/protocol'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { propertiesText } from './properties-text.ts'

it('every key and value comes back as it was', () => {
  const text = fc.string({
    unit: fc.oneof(
      fc.constantFrom(' ', '\\', '=', ':', '#', '!', '\n', '\r', '\t', '\f', 'é', '💾'),
      fc.string({ minLength: 1, maxLength: 1 }),
    ),
  })
  const entries = fc.dictionary(
    text.filter((key) => key !== ''),
    text,
  )
  fc.assert(
    fc.property(entries, (properties) => {
      const written = propertiesText(Object.entries(properties))
      expect(Object.fromEntries(parseProperties(written))).toEqual({ ...properties })
      expect(written).toMatch(/^[\x20-\x7e\n]*$/)
    }),
  )
})
