/** Small tars for tests, with entries that a careful writer would never make. */
import { tarHeader } from '../http/tar-header.ts'

export interface TarEntry {
  readonly name: string
  readonly type?: 'file' | 'directory' | 'symlink' | 'link' | 'character-device'
  readonly linkname?: string
  readonly body?: string | Uint8Array
}

const typeFlags = { file: '0', link: '1', symlink: '2', 'character-device': '3', directory: '5' } as const

export function tarBody(entries: readonly TarEntry[]): Buffer {
  const blocks: Buffer[] = []
  for (const entry of entries) {
    const body = Buffer.from(entry.body ?? '')
    const header = tarHeader(entry.name, body.length)
    const own = header.subarray(header.length - 512)
    own.write(typeFlags[entry.type ?? 'file'], 156, 'latin1')
    own.write(entry.linkname ?? '', 157, 'latin1')
    own.write('        ', 148, 'latin1')
    let sum = 0
    for (const byte of own) sum += byte
    own.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
    blocks.push(header, body, Buffer.alloc((512 - (body.length % 512)) % 512))
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}
