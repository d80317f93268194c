/** A NameNode and a DataNode that speak WebHDFS and fail in the way that a test tells them, which real ones do not do on request. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type ScriptedServer, scriptedServer } from './scripted-server.ts'

export interface ScriptedFile {
  readonly bytes: Buffer
  readonly status?: Readonly<Record<string, unknown>>
  /** `{algorithm, bytes, length}`; without it the server does not know the operation. */
  readonly checksum?: Readonly<Record<string, unknown>>
}

/** Where it answers nothing, the answer is a good server's. */
export type Fault = (operation: string, response: ServerResponse, query: URLSearchParams) => unknown

export interface ScriptedHdfs {
  readonly nameNode: ScriptedServer
  readonly dataNode: ScriptedServer
  /** By path. */
  readonly files: Map<string, ScriptedFile>
  /** May be exchanged in the middle of a test. */
  onNameNode: Fault
  onDataNode: Fault
  /** What a Location begins with. */
  dataNodeOrigin: string
  /** `operation path` of every request, in order. */
  readonly asked: string[]
  [Symbol.asyncDispose](): Promise<void>
}

export async function scriptedHdfs(files: Readonly<Record<string, ScriptedFile>>): Promise<ScriptedHdfs> {
  const parse = (request: IncomingMessage) => {
    const url = new URL(request.url!, 'http://x')
    const path = decodeURIComponent(url.pathname.replace(/^.*?\/webhdfs\/v1/, ''))
    return { path, query: url.searchParams, operation: url.searchParams.get('op')!, search: url.search }
  }
  const nameNode = await scriptedServer((request, response) => {
    const { path, query, operation, search } = parse(request)
    hdfs.asked.push(`${operation} ${path}`)
    hdfs.onNameNode(operation, response, query)
    if (response.headersSent) return
    const file = hdfs.files.get(path)
    if (file === undefined) return refuse(response, 404, 'FileNotFoundException', `File does not exist: ${path}`)
    if (operation === 'GETFILESTATUS') return json(response, { FileStatus: statusOf(file) })
    if (operation === 'OPEN' || (operation === 'GETFILECHECKSUM' && file.checksum !== undefined)) {
      const location = `${hdfs.dataNodeOrigin}/webhdfs/v1${path}${search}&delegation=minted-by-the-server`
      return void response.writeHead(307, { location }).end()
    }
    refuse(response, 400, 'IllegalArgumentException', 'Invalid value for webhdfs parameter "op"')
  })
  const dataNode = await scriptedServer((request, response) => {
    const { path, query, operation } = parse(request)
    hdfs.onDataNode(operation, response, query)
    if (response.headersSent) return
    const file = hdfs.files.get(path)!
    if (operation === 'GETFILECHECKSUM') return json(response, { FileChecksum: file.checksum })
    const offset = Number(query.get('offset'))
    const body = file.bytes.subarray(offset, offset + Number(query.get('length')))
    response.writeHead(200, { 'content-length': body.length, connection: 'close' }).end(body)
  })
  const hdfs: ScriptedHdfs = {
    nameNode,
    dataNode,
    files: new Map(Object.entries(files)),
    onNameNode: () => undefined,
    onDataNode: () => undefined,
    dataNodeOrigin: dataNode.origin,
    asked: [],
    [Symbol.asyncDispose]: async () => {
      await nameNode.close()
      await dataNode.close()
    },
  }
  return hdfs
}

export function refuse(response: ServerResponse, status: number, exception: string, message: string): void {
  json(response, { RemoteException: { exception, javaClassName: `org.apache.hadoop.${exception}`, message } }, status)
}

export function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

function statusOf({ bytes, status }: ScriptedFile): object {
  return { type: 'FILE', length: bytes.length, modificationTime: 1, fileId: 16_400, blockSize: 1 << 20, ...status }
}
