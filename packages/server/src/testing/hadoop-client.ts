/** The requests of Hadoop's WebHDFS client, in its words and order, for tests. */
import type { HasUrl } from './v1-api.ts'

/** What a body may hold; each answer holds one of these. */
export interface HadoopJson {
  readonly boolean?: boolean
  readonly Path?: string
  readonly FileStatus?: Readonly<Record<string, unknown>>
  readonly FileStatuses?: { readonly FileStatus: readonly Readonly<Record<string, unknown>>[] }
  readonly DirectoryListing?: Readonly<Record<string, unknown>>
  readonly ContentSummary?: Readonly<Record<string, unknown>>
  readonly RemoteException?: { readonly exception: string; readonly javaClassName: string; readonly message: string }
}

export interface HadoopAnswer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body as JSON. */
  readonly json: HadoopJson
}

/** One request; the path is encoded name by name, as that client does it. */
export async function hadoop(
  server: HasUrl,
  method: string,
  path: string,
  operation: string,
  parameters: Readonly<Record<string, string>> = {},
): Promise<HadoopAnswer> {
  const query = new URLSearchParams({ op: operation, 'user.name': 'root', ...parameters })
  const url = `${server.url}/webhdfs/v1${path.split('/').map(encodeURIComponent).join('/')}?${query}`
  return read(await fetch(url, { method, redirect: 'manual' }))
}

/** Both steps of an upload. The answer of the first when that is no redirect. */
export async function upload(
  server: HasUrl,
  path: string,
  body: string | Uint8Array | ReadableStream<Uint8Array>,
  parameters: Readonly<Record<string, string>> = { overwrite: 'true' },
): Promise<HadoopAnswer> {
  const asked = await hadoop(server, 'PUT', path, 'CREATE', {
    blocksize: '134217728',
    buffersize: '65536',
    permission: '644',
    replication: '3',
    unmaskedpermission: '666',
    ...parameters,
  })
  if (asked.status !== 307) return asked
  return read(
    await fetch(asked.headers.get('location')!, {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
      body: body as string,
      ...(typeof body === 'string' || body instanceof Uint8Array ? {} : { duplex: 'half' as const }),
    }),
  )
}

/** Both steps of a download. */
export async function download(
  server: HasUrl,
  path: string,
  parameters: Readonly<Record<string, string>> = {},
): Promise<{ status: number; bytes: Buffer; headers: Headers }> {
  const asked = await hadoop(server, 'GET', path, 'OPEN', { buffersize: '65536' })
  if (asked.status !== 307) return { status: asked.status, bytes: Buffer.from(asked.text), headers: asked.headers }
  const rest = new URLSearchParams({ offset: '0', ...parameters })
  const answer = await fetch(`${asked.headers.get('location')}&${rest}`)
  return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()), headers: answer.headers }
}

/** The message that a user of Hadoop sees, with the class that the client throws. */
export function remoteError({ status, json }: HadoopAnswer): { status: number; thrown: string; message: string } {
  const { exception, message } = json.RemoteException!
  return { status, thrown: exception, message }
}

async function read(answer: Response): Promise<HadoopAnswer> {
  const text = await answer.text()
  return {
    status: answer.status,
    headers: answer.headers,
    text,
    get json() {
      return JSON.parse(text) as HadoopJson
    },
  }
}
