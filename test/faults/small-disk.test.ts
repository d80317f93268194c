/** A real file system that is too small: refused before the bytes where it can be known, told in the middle where it cannot. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { routes } from '@supercargo/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ServerProcess, startStagingServer } from '../process/staging-server.ts'

let work: string
let disk: string
let server: ServerProcess | undefined
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'supercargo-small-'))
  disk = join(work, 'disk')
})
afterEach(async () => {
  await server?.kill()
  server = undefined
  spawnSync('umount', [disk])
  rmSync(work, { recursive: true, force: true })
})

/** Whether this process may mount a file system of its own. */
const canMount = ((): boolean => {
  const directory = mkdtempSync(join(tmpdir(), 'supercargo-mount-'))
  const mounted = mount(directory, 'size=1m')
  if (mounted) spawnSync('umount', [directory])
  rmSync(directory, { recursive: true, force: true })
  return mounted
})()

function mount(directory: string, options: string): boolean {
  return spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory]).status === 0
}

/** Without the space that is otherwise kept free: these disks are smaller. */
async function start(options: string): Promise<ServerProcess> {
  mkdirSync(disk)
  expect(mount(disk, options)).toBe(true)
  server = await startStagingServer({ arguments: ['--store', join(disk, 'store'), '--limits-free-bytes-min', '0'] })
  return server
}

const owner = { namespace: 'spark', name: 'driver' }

function create(files: readonly object[]): Promise<Response> {
  return fetch(`${server!.url}${routes.v1.resources}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ owner, files }),
  })
}

async function stage(
  bytes: Uint8Array,
  name = 'a.jar',
): Promise<{ status: number; code: string; id: string; secret: string }> {
  const form = new FormData()
  form.append('owner', JSON.stringify(owner))
  form.append('file', new Blob([new Uint8Array(bytes)]), name)
  const answer = await fetch(`${server!.url}${routes.v1.resources}`, { method: 'POST', body: form })
  const said = (await answer.json()) as { code?: string; resourceId: string; resourceSecret: string }
  return { status: answer.status, code: said.code ?? '', id: said.resourceId, secret: said.resourceSecret }
}

async function bytesOf({ id, secret }: { id: string; secret: string }): Promise<Buffer> {
  const answer = await fetch(`${server!.url}${routes.v1.file(id, 'a.jar')}`, {
    headers: { authorization: `Bearer ${secret}` },
  })
  return Buffer.from(await answer.arrayBuffer())
}

/** Without the count of bytes, which a sweep writes when it likes, and the next one tidies up where that failed. */
const list = (name: string): string[] =>
  readdirSync(join(disk, 'store', name)).filter((entry) => !entry.startsWith('usage-'))

describe.skipIf(!canMount)('a disk without space (cases 55, 70)', () => {
  it('refuses what cannot fit before its bytes, and takes what fits', async () => {
    await start('size=16m')
    const digest = `sha256:${'0'.repeat(64)}` as const
    const refused = await create([{ path: 'a.jar', sizeBytes: 17_000_000, digest }])
    expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([507, expect.any(String)])
    const bytes = randomBytes(3_000_000)
    const staged = await stage(bytes)
    expect(staged.status).toBe(201)
    expect((await bytesOf(staged)).equals(bytes)).toBe(true)
  })

  it('that somebody else fills in the middle ends this upload with 507, and no other', async () => {
    await start('size=16m')
    const kept = randomBytes(1_000_000)
    const first = await stage(kept)
    const answered = Promise.withResolvers<number>()
    const form = `--b\r\nContent-Disposition: form-data; name="owner"\r\n\r\n${JSON.stringify(owner)}\r\n--b\r\nContent-Disposition: form-data; name="file"; filename="a.jar"\r\n\r\n`
    const sending = request(
      `${server!.url}${routes.v1.resources}`,
      {
        method: 'POST',
        headers: { 'content-type': 'multipart/form-data; boundary=b', 'content-length': 8_000_000 },
      },
      (answer) => {
        answer.resume()
        answered.resolve(answer.statusCode!)
      },
    )
    sending.on('error', answered.reject)
    sending.write(form)
    sending.write(randomBytes(2_000_000))
    await expect.poll(() => list('incoming').length).toBe(1)
    // The disk is not ours alone.
    writeFileSync(join(disk, 'of-somebody-else'), randomBytes(11_500_000))
    sending.end(randomBytes(8_000_000 - 2_000_000 - form.length))
    expect(await answered.promise).toBe(507)
    await expect.poll(() => list('incoming')).toEqual([])
    expect(list('resources')).toEqual([`${first.id}.json`])
    expect((await bytesOf(first)).equals(kept)).toBe(true)
    rmSync(join(disk, 'of-somebody-else'))
    expect((await stage(randomBytes(4_000_000))).status).toBe(201)
  })

  it('for names, though not for bytes, is 507 too, and leaves nothing', async () => {
    await start('size=16m,nr_inodes=60')
    const kept = randomBytes(1000)
    const first = await stage(kept)
    expect(first.status).toBe(201)
    let refused = 0
    for (let round = 0; round < 60 && refused < 3; round++) {
      const outcome = await stage(randomBytes(100))
      if (outcome.status === 201) continue
      expect([outcome.status, outcome.code]).toEqual([507, 'disk-full'])
      refused++
    }
    expect(refused).toBe(3)
    expect(list('incoming')).toEqual([])
    expect((await bytesOf(first)).equals(kept)).toBe(true)
    expect((await fetch(`${server!.url}${routes.live}`)).status).toBe(200)
  })
})

describe.skipIf(!canMount)('a directory that may not be written (case 64)', () => {
  it('at the start is one clear line, and the server ends', async () => {
    mkdirSync(disk)
    expect(mount(disk, 'size=1m')).toBe(true)
    spawnSync('mount', ['-o', 'remount,ro', disk])
    await expect(startStagingServer({ arguments: ['--store', join(disk, 'store')] })).rejects.toThrow(/read-only/)
  })
})
