/** Unpacks an archive below a fresh directory: which format it is, its bytes say; what its name says must not contradict. */
import { open } from 'node:fs/promises'
import { SupercargoError } from '@supercargo/protocol'
import { fromFileSystemError } from '@supercargo/transfer'
import { EntryPolicy } from './entry-policy.ts'
import { EntryWriter } from './entry-writer.ts'
import type { Unpacked, UnpackRequest } from './unpack-request.ts'

type Format = 'tar' | 'gzip' | 'zstd' | 'zip'

/**
 * Resolves when every entry is written; making them durable is left to the sync queue. Rejects with kind `unsafe`,
 * `tooLarge` or `corrupt`; then `into` holds a part that the caller removes.
 */
export async function unpack(request: UnpackRequest): Promise<Unpacked> {
  const format = await formatOf(request)
  const policy = new EntryPolicy(request.name, request.sizeBytes, request.limits)
  const writer = new EntryWriter(request.into, request.disk, request.syncs)
  if (format === 'zip') await (await import('./zip.ts')).unpackZip(request, policy, writer)
  else await (await import('./tar.ts')).unpackTar(request, format, policy, writer)
  return { files: writer.files, directories: writer.directories }
}

const endings: readonly (readonly [RegExp, Format])[] = [
  [/\.(zip|jar|whl|egg)$/i, 'zip'],
  [/\.(tar\.gz|tgz)$/i, 'gzip'],
  [/\.(tar\.zst|tzst)$/i, 'zstd'],
  [/\.tar$/i, 'tar'],
]

async function formatOf(request: UnpackRequest): Promise<Format> {
  const head = await readHead(request.path)
  const format = magicOf(head, request)
  const declared = endings.find(([ending]) => ending.test(request.fileName))?.[1]
  if (declared !== undefined && declared !== format) {
    throw new SupercargoError(
      'corrupt',
      'wrong-format',
      `the archive ${request.name} is named as ${declared} and is ${format}`,
    )
  }
  return format
}

function magicOf(head: Buffer, request: UnpackRequest): Format {
  const starts = (...bytes: number[]) => bytes.every((byte, index) => head[index] === byte)
  if (starts(0x1f, 0x8b)) return 'gzip'
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return 'zstd'
  if (starts(0x50, 0x4b, 0x03, 0x04) || starts(0x50, 0x4b, 0x05, 0x06)) return 'zip'
  if (head.subarray(257, 262).toString('latin1') === 'ustar') return 'tar'
  // A tar without entries is nothing but zeros.
  if (head.length === 512 && head.every((byte) => byte === 0)) return 'tar'
  const unsupported = starts(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00) ? 'xz' : starts(0x42, 0x5a, 0x68) ? 'bzip2' : undefined
  if (unsupported !== undefined) {
    throw new SupercargoError(
      'invalid',
      'unsupported-archive',
      `the archive ${request.name} is ${unsupported}, which is not supported`,
      {
        hint: 'pack it as .tar.gz, .tar.zst, .tar or .zip',
      },
    )
  }
  throw new SupercargoError(
    'corrupt',
    'not-an-archive',
    `${request.name} is no archive that is known: neither tar (plain, gzip, zstd) nor zip`,
  )
}

async function readHead(path: string): Promise<Buffer> {
  try {
    const handle = await open(path, 'r')
    try {
      const buffer = Buffer.alloc(512)
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0)
      return buffer.subarray(0, bytesRead)
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw fromFileSystemError(error, `cannot read ${path}`)
  }
}
