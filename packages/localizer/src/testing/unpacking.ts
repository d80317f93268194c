/** Unpacks bytes through the whole localizer, and looks at what is left when they are refused. */
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { type Workbench, workbench } from './workbench.ts'

/** Unpacks bytes through the whole localizer, into `to`. */
export async function unpack(
  bench: Workbench,
  bytes: Buffer,
  options: { name?: string; to?: string; limits?: object } = {},
) {
  const path = join(bench.directory, options.name ?? 'archive')
  await writeFile(path, bytes)
  return await bench.run([{ uri: `file://${path}`, to: options.to ?? 'out', unpack: true }], {
    limits: options.limits ?? {},
  })
}

/** Refused as a whole: nothing of it, and nothing beside the root. */
export async function refused(bytes: Buffer, expected: object, limits: object = {}): Promise<void> {
  await using bench = await workbench()
  const error = await unpack(bench, bytes, { limits }).catch((failure: unknown) => failure)
  expect(error).toMatchObject(expected)
  expect(await bench.files()).toEqual({})
  expect((await readdir(bench.directory)).sort()).toEqual(['archive', 'root'])
  const left = await readdir(join(bench.root, '.supercargo', 'incoming')).catch(() => [])
  expect(left.filter((name) => name.endsWith('.d'))).toEqual([])
}
