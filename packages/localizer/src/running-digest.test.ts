/** The digest of what arrives, whoever computes it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hasher } from '@supercargo/transfer'
import { expect, test } from 'vitest'
import { RunningDigest } from './running-digest.ts'
import { bytesOf, sha256 } from './testing/workbench.ts'

const mebibyte = 1 << 20
const content = bytesOf(80 * mebibyte)
const expected = sha256(content)

/** The chunks as they arrive, and how often the other thread was asked for. */
async function hashed(
  order: readonly number[],
  given: { isBusy?: boolean; heldBytes?: number; knownBytes?: number | undefined; alone?: boolean },
): Promise<{ digest: string; handedOver: number }> {
  const directory = mkdtempSync(join(tmpdir(), 'supercargo-digest-'))
  const path = join(directory, 'file')
  writeFileSync(path, content)
  await using hasher = new Hasher()
  let handedOver = 0
  const follow = hasher.follow.bind(hasher)
  hasher.follow = (each) => {
    handedOver++
    return follow(each)
  }
  const { isBusy = false, heldBytes = 0, alone = false } = given
  const known = 'knownBytes' in given ? given.knownBytes : content.length
  const digest = RunningDigest.begin(path, heldBytes, known, alone ? undefined : hasher, () => isBusy)
  try {
    for (const at of order) digest.update(content.subarray(at * mebibyte, (at + 1) * mebibyte), at * mebibyte)
    digest.advance(content.length)
    return { digest: await digest.finish(content.length), handedOver }
  } finally {
    digest.abandon()
    rmSync(directory, { recursive: true })
  }
}

const inOrder = (from = 0): number[] => Array.from({ length: 80 - from }, (_, index) => from + index)

test('a thread that has time to spare hashes what it receives', async () => {
  expect(await hashed(inOrder(), {})).toEqual({ digest: expected, handedOver: 0 })
  expect(await hashed(inOrder(), { knownBytes: undefined })).toEqual({ digest: expected, handedOver: 0 })
})

test('a thread that is busy hands hashing over, once, where much is left', async () => {
  expect(await hashed(inOrder(), { isBusy: true })).toEqual({ digest: expected, handedOver: 1 })
  expect(await hashed(inOrder(), { isBusy: true, knownBytes: undefined })).toEqual({ digest: expected, handedOver: 1 })
  expect(await hashed(inOrder(8), { isBusy: true, heldBytes: 8 * mebibyte })).toEqual({
    digest: expected,
    handedOver: 1,
  })
})

test('what would have to be read again in one go is left to the other thread', async () => {
  expect(await hashed(inOrder(9), { heldBytes: 9 * mebibyte })).toEqual({ digest: expected, handedOver: 1 })
  expect(await hashed([0, 1, 40, ...inOrder(2)], {})).toEqual({ digest: expected, handedOver: 1 })
})

test('without another thread every byte is hashed here, in whatever order it came', async () => {
  expect(await hashed([0, 40, 1], { alone: true, isBusy: true })).toEqual({ digest: expected, handedOver: 0 })
})
