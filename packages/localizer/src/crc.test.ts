/** CRCs: the published check values, and any way of cutting gives the same. */
import { describe, expect, it } from 'vitest'
import { Crc64Nvme, crc32c } from './crc.ts'
import { bytesOf } from './testing/workbench.ts'

const check = Buffer.from('123456789')

function crc64(...chunks: Uint8Array[]): string {
  const sum = new Crc64Nvme()
  for (const chunk of chunks) sum.update(chunk)
  return sum.digest().toString('hex')
}

describe('a CRC', () => {
  it('has the published check value', () => {
    expect(crc32c(check)).toBe(0xe3069283)
    expect(crc64(check)).toBe('ae8b14860a799888')
  })

  it('of nothing is zero', () => {
    expect(crc32c(Buffer.alloc(0))).toBe(0)
    expect(crc64()).toBe('0000000000000000')
  })

  it('is the same however the bytes are cut', () => {
    const bytes = bytesOf(100)
    for (let at = 0; at <= bytes.length; at++) {
      const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)]
      expect(crc32c(tail, crc32c(head))).toBe(crc32c(bytes))
      expect(crc64(head, tail)).toBe(crc64(bytes))
    }
  })
})
