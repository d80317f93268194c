/** `hdfs`, `webhdfs`, `swebhdfs`: files of an HDFS over WebHDFS, each pinned to the version that was seen first. */
import { SupercargoError } from '@supercargo/protocol'
import type { Checksum } from '../../checksum.ts'
import { type HadoopConfiguration, readHadoopConfiguration } from '../../hadoop/configuration.ts'
import type { Facts, ListedFile, Opened, OpenOptions, Source, SourceItem } from '../source.ts'
import { type ConnectOptions, connect } from './connect.ts'
import type { FileStatus } from './file-status.ts'
import { isListed, listFiles } from './listing.ts'
import { openFile } from './open-file.ts'
import { type CheckedFile, statedChecksum } from './stated-checksum.ts'
import { decodedPath, type HdfsUri, parseHdfsUri } from './uri.ts'
import type { WebHdfs } from './web-hdfs.ts'

/** What is smaller is brought by one request, or begun anew. */
const repeatedBytesMin = 1 << 20

export function createHdfsSource(options: ConnectOptions): Source {
  const clients = new Map<string, Promise<WebHdfs>>()
  const connected = new Set<WebHdfs>()
  /** What `stat` or a listing saw: the next `open` from 0 need not ask again, as the end of its bytes is checked in any case. */
  const seen = new Map<string, FileStatus>()
  const failed = new Map<string, Set<string>>()
  /** By version, of files that may be brought by several requests. */
  const checksums = new Map<string, Promise<Checksum | undefined>>()
  let configuration: Promise<HadoopConfiguration> | undefined

  const clientFor = (uri: HdfsUri, signal: AbortSignal | undefined): Promise<WebHdfs> => {
    const key = `${uri.scheme}://${uri.authority}`
    const found = clients.get(key)
    if (found !== undefined) return found
    configuration ??= readHadoopConfiguration(options.settings, signal, options.environment)
    const client = configuration.then((read) => connect(uri, read, options))
    clients.set(key, client)
    client.then(
      (ready) => connected.add(ready),
      () => {
        clients.delete(key)
        configuration = undefined
      },
    )
    return client
  }

  /** DataNodes that failed a file, which the next attempt leaves out; when none is left it asks them all again. */
  const failing = (name: string) => ({
    excluded: [...(failed.get(name) ?? [])],
    exclude: (host: string) => void failed.set(name, (failed.get(name) ?? new Set()).add(host)),
    includeAll: () => void failed.delete(name),
  })

  const pin = async (item: SourceItem, open: OpenOptions): Promise<FileStatus> => {
    const known = open.offset === 0 ? seen.get(identity(item)) : undefined
    seen.delete(identity(item))
    return known ?? (await statusOf(item, open.signal))
  }

  const statusOf = async (item: SourceItem, signal: AbortSignal | undefined): Promise<FileStatus> => {
    const uri = uriOf(item)
    const status = await (await clientFor(uri, signal)).status(uri.encodedPath, signal)
    if (status.type === 'FILE') return status
    const isLink = status.type === 'SYMLINK'
    throw new SupercargoError(
      isLink ? 'unsafe' : 'invalid',
      isLink ? 'symbolic-link' : 'is-a-directory',
      `${shownItem(item)} is a ${isLink ? 'symbolic link' : 'directory'}`,
      { hint: isLink ? 'name the file itself' : 'write a / at its end to take all files in it' },
    )
  }

  const checksumOf = (item: SourceItem, etag: string, file: CheckedFile): Promise<Checksum | undefined> => {
    if (file.status.length < repeatedBytesMin) return statedChecksum(file)
    const version = JSON.stringify([identity(item), etag])
    const asking = checksums.get(version) ?? statedChecksum(file)
    checksums.set(version, asking)
    asking.catch(() => checksums.delete(version))
    return asking
  }

  return {
    ranges: true,
    identity,
    shown: shownItem,
    stat: async (item, signal): Promise<Facts> => {
      const status = await statusOf(item, signal)
      seen.set(identity(item), status)
      return { sizeBytes: status.length, etag: etagOf(status) }
    },
    open: async (item, open): Promise<Opened> => {
      const { signal } = open
      const uri = uriOf(item)
      const status = await pin(item, open)
      const confirm = async (): Promise<void> => {
        if (etagOf(await statusOf(item, signal)) !== etagOf(status)) throw changed(item)
      }
      const etag = etagOf(status)
      const same = open.etag === undefined || open.etag === etag
      if (open.end !== undefined && (!same || open.end > status.length)) throw changed(item)
      const start = same && open.offset <= status.length ? open.offset : 0
      const name = shownItem(item)
      const client = await clientFor(uri, signal)
      const checked = { client, path: uri.encodedPath, name, status, signal, log: options.log ?? (() => undefined) }
      // Nobody knows yet what a file holds that is being written: it has no length before its first block is full.
      const asking = open.digestKnown === true && status.length > 0 ? undefined : checksumOf(item, etag, checked)
      // It is on its way beside the bytes; when both fail, the failure of the bytes is the one reported.
      asking?.catch(() => undefined)
      const stream = await openFile({ ...checked, confirm, ...failing(name) }, start, open.end ?? status.length)
      const checksum = await asking?.catch((error: unknown) => {
        stream.on('error', () => undefined).destroy()
        throw error
      })
      return {
        start,
        sizeBytes: status.length,
        etag,
        ...(checksum === undefined ? {} : { checksum }),
        stream,
        discard: () => void stream.on('error', () => undefined).destroy(),
      }
    },
    list: (item, { filesMax, signal }): Promise<readonly ListedFile[]> | undefined => {
      const uri = uriOf(item)
      if (!isListed(uri)) return undefined
      return clientFor(uri, signal).then(async (client) => {
        const found = await listFiles(client, uri, filesMax, signal)
        for (const { listed, status } of found) seen.set(identity(listed.item), status)
        return found.map(({ listed }) => listed)
      })
    },
    close: () => {
      for (const client of connected) client.close()
    },
  }
}

/** Which bytes: another file under the name, another length, or a later change all make another. */
function etagOf({ fileId = 0, length, modificationTime }: FileStatus): string {
  return `"${fileId}-${length}-${modificationTime}"`
}

function changed(item: SourceItem): SupercargoError {
  return new SupercargoError('corrupt', 'source-changed', `${shownItem(item)} changed while it was fetched`)
}

function uriOf(item: SourceItem): HdfsUri {
  if (item.kind !== 'uri') throw new TypeError('not a URI')
  return parseHdfsUri(item.uri)
}

function identity(item: SourceItem): string {
  const { scheme, authority, encodedPath, isFolder } = uriOf(item)
  return `${scheme}://${authority.toLowerCase()}${decodedPath(encodedPath)}${isFolder ? '/' : ''}`
}

function shownItem(item: SourceItem): string {
  const { scheme, authority, encodedPath, isFolder } = uriOf(item)
  return `${scheme}://${authority}${encodedPath}${isFolder && encodedPath !== '/' ? '/' : ''}`
}
