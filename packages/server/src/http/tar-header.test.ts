/** Every reader of tar reads our headers the same. */
import { execFileSync } from 'node:child_process'
import { extract } from 'tar-stream'
import { describe, expect, it } from 'vitest'
import { padded, tarEndBytes, tarHeader } from './tar-header.ts'

async function readBack(path: string, sizeBytes: number) {
  const tar = extract()
  const entry = new Promise<{ name: string; size: number; type: string }>((resolve, reject) => {
    tar.on('entry', ({ name, size, type }) => resolve({ name, size: size ?? -1, type: type ?? '' }))
    tar.on('error', reject)
  })
  tar.write(tarHeader(path, sizeBytes))
  return entry
}

describe('the header of a file in a bundle', () => {
  it.each([
    ['a', 0],
    ['a.jar', 1],
    ['x'.repeat(100), 512],
    ['x'.repeat(101), 512],
    [`${'d/'.repeat(120)}f`, 3],
    [`${'ü'.repeat(120)}`, 3],
    ['日本語 a.jar', 3],
    ['new "quotes" =1', 3],
    ['a', 8 * 2 ** 30 - 1],
    ['a', 8 * 2 ** 30],
    ['ü'.repeat(500), 20 * 2 ** 40],
  ])('is read back the same: %s of %d bytes', async (path, sizeBytes) => {
    expect(tarHeader(path, sizeBytes).length % 512).toBe(0)
    expect(await readBack(path, sizeBytes)).toEqual({ name: path, size: sizeBytes, type: 'file' })
  })

  it('counts its own length in a PAX record, at every number of digits', async () => {
    for (let length = 80; length < 130; length++)
      expect((await readBack(`${'y'.repeat(length)}é`, 1)).name).toBe(`${'y'.repeat(length)}é`)
    for (let length = 970; length < 1010; length++)
      expect((await readBack(`${'y'.repeat(length)}é`, 1)).name).toBe(`${'y'.repeat(length)}é`)
  })

  it("is read by the system's tar", () => {
    const names = ['plain.jar', `${'long/'.repeat(30)}ü.jar`]
    const blocks = names.flatMap((name) => [tarHeader(name, 3), Buffer.from('abc'), Buffer.alloc(padded(3) - 3)])
    const tar = Buffer.concat([...blocks, Buffer.alloc(tarEndBytes)])
    const listed = execFileSync('tar', ['-tf', '-', '--quoting-style=literal'], {
      input: tar,
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    }).toString()
    expect(listed.trim().split('\n')).toEqual(names)
  })
})
