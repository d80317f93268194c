/** The answers of WebHDFS that are JSON, read strictly where we rely on them. */
import { parseJson, parseWith, SupercargoError } from '@supercargo/protocol'
import { type HttpResponse, shown } from '@supercargo/transfer'
import { z } from 'zod'

const fileStatusSchema = z.object({
  type: z.enum(['FILE', 'DIRECTORY', 'SYMLINK']),
  length: z.number(),
  modificationTime: z.number(),
  /** Not from every gateway. */
  fileId: z.number().optional(),
  blockSize: z.number().optional(),
  /** The name, in a listing of its folder. */
  pathSuffix: z.string().optional(),
  encBit: z.boolean().optional(),
  ecBit: z.boolean().optional(),
})

const statusSchema = z.object({ FileStatus: fileStatusSchema })
const listSchema = z.object({ FileStatuses: z.object({ FileStatus: z.array(fileStatusSchema) }) })
const pageSchema = z.object({
  DirectoryListing: z.object({ partialListing: listSchema, remainingEntries: z.number() }),
})
const checksumSchema = z.object({
  FileChecksum: z.object({ algorithm: z.string(), bytes: z.string(), length: z.number() }),
})
const locationsSchema = z.object({
  BlockLocations: z.object({
    BlockLocation: z.array(
      z.object({ hosts: z.array(z.string()), names: z.array(z.string()), length: z.number().optional() }),
    ),
  }),
})

export type FileStatus = z.infer<typeof fileStatusSchema>
export type FileChecksum = z.infer<typeof checksumSchema>['FileChecksum']

/** A page of a listing: at most `dfs.ls.limit` entries, or all of a folder from an old server. */
const bodyBytesMax = 64 * 2 ** 20

export async function readStatus(response: HttpResponse): Promise<FileStatus> {
  return (await read(response, statusSchema)).FileStatus
}

export async function readList(response: HttpResponse): Promise<readonly FileStatus[]> {
  return (await read(response, listSchema)).FileStatuses.FileStatus
}

export async function readPage(response: HttpResponse): Promise<{ entries: readonly FileStatus[]; remaining: number }> {
  const { partialListing, remainingEntries } = (await read(response, pageSchema)).DirectoryListing
  return { entries: partialListing.FileStatuses.FileStatus, remaining: remainingEntries }
}

export async function readChecksum(response: HttpResponse): Promise<FileChecksum> {
  return (await read(response, checksumSchema)).FileChecksum
}

/** The address of each host that holds the first block that was asked for. */
export async function readAddresses(response: HttpResponse): Promise<Map<string, string>> {
  const block = (await read(response, locationsSchema)).BlockLocations.BlockLocation[0]
  const addresses = new Map<string, string>()
  for (const [index, host] of (block?.hosts ?? []).entries()) {
    const name = block!.names[index]
    if (name !== undefined) addresses.set(host.toLowerCase(), name.replace(/:\d+$/, '').replace(/^\/|^\[|\]$/g, ''))
  }
  return addresses
}

export async function readBlockLengths(response: HttpResponse): Promise<number[]> {
  return (await read(response, locationsSchema)).BlockLocations.BlockLocation.map(({ length = 0 }) => length)
}

async function read<S extends z.ZodType>(response: HttpResponse, schema: S): Promise<z.infer<S>> {
  const name = `the answer of ${shown(response.url)}`
  const text = await response.text(bodyBytesMax)
  try {
    return parseWith(schema, parseJson(text, name), name)
  } catch (error) {
    throw new SupercargoError('corrupt', 'not-webhdfs', (error as Error).message, {
      hint: 'is this the HTTP address of a NameNode, an HttpFS or a Router, and no login page before it?',
    })
  }
}
