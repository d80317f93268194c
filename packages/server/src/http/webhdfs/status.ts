/** What Hadoop's clients are told about a file or a directory. Pure. */
import type { NamedFile, NameEntry } from '../../store/name-tree.ts'

/** The name in its directory, empty for the path that was asked for. */
export function fileStatus(entry: NameEntry, pathSuffix: string): object {
  const file = entry.type === 'file' ? entry : undefined
  return {
    accessTime: 0,
    blockSize: file === undefined ? 0 : blockBytes,
    childrenNum: 0,
    fileId: 0,
    group: account,
    length: file?.sizeBytes ?? 0,
    modificationTime: Math.floor(entry.modifiedMs),
    owner: account,
    pathSuffix,
    // Who has the path may do everything that can be done with it.
    permission: file === undefined ? '755' : '644',
    replication: file === undefined ? 0 : 1,
    storagePolicy: 0,
    type: file === undefined ? 'DIRECTORY' : 'FILE',
  }
}

/** A file is one block, here. */
export function blockLocations(file: NamedFile, offset: number, length: number): object {
  const overlaps = file.sizeBytes > 0 && offset < file.sizeBytes && length > 0
  const block = {
    cachedHosts: [],
    corrupt: false,
    hosts: ['localhost'],
    length: file.sizeBytes,
    names: ['localhost:9866'],
    offset: 0,
    storageTypes: ['DISK'],
    topologyPaths: ['/default-rack/localhost:9866'],
  }
  return { BlockLocations: { BlockLocation: overlaps ? [block] : [] } }
}

/** No trash: what is removed is removed. */
export const serverDefaults: object = {
  FsServerDefaults: {
    blockSize: 128 * 2 ** 20,
    bytesPerChecksum: 512,
    checksumType: 2,
    defaultStoragePolicyId: 7,
    encryptDataTransfer: false,
    fileBufferSize: 4096,
    keyProviderUri: '',
    replication: 1,
    trashInterval: 0,
    writePacketSize: 65_536,
  },
}

const account = 'supercargo'
/** Hadoop splits its work by it; here files have no blocks. */
const blockBytes = 128 * 2 ** 20
