/** What a server of HDFS says when it refuses, as our kinds: decided by the class of its exception, never by the status alone. */
import { type ErrorKind, printable, SupercargoError } from '@supercargo/protocol'
import { fromStatus, type HttpResponse, shown } from '@supercargo/transfer'
import { z } from 'zod'

const remoteExceptionSchema = z.object({
  RemoteException: z.object({ exception: z.string(), message: z.string().nullish() }),
})

interface Row {
  readonly kind: ErrorKind
  readonly code: string
  readonly hint?: string
}

/** Of the body of a refusal; a page of the server behind it can be long. */
const bodyBytesMax = 65_536
const messageCharactersMax = 300

const tokenRefused: Row = {
  kind: 'denied',
  code: 'token-refused',
  hint: 'the delegation token has expired, was cancelled, or belongs to another cluster; submit again with a fresh one',
}
const accessDenied: Row = {
  kind: 'denied',
  code: 'access-denied',
  hint: 'the file is not readable for this user; in an encryption zone, the DataNodes may not decrypt (hadoop.exec reads it)',
}
const busy: Row = { kind: 'unavailable', code: 'namenode-busy' }
const invalid: Row = { kind: 'invalid', code: 'request-refused' }

/** By the simple name of the class. */
const rows: Readonly<Record<string, Row>> = {
  StandbyException: { kind: 'unavailable', code: 'namenode-standby' },
  ObserverRetryOnActiveException: { kind: 'unavailable', code: 'namenode-standby' },
  RetriableException: busy,
  NotReplicatedYetException: busy,
  SafeModeException: { kind: 'unavailable', code: 'namenode-safe-mode' },
  ServerTooBusyException: busy,
  FileNotFoundException: { kind: 'notFound', code: 'no-such-file' },
  PathNotFoundException: { kind: 'notFound', code: 'no-such-file' },
  AccessControlException: accessDenied,
  AuthorizationException: accessDenied,
  InvalidToken: tokenRefused,
  SecurityException: { kind: 'denied', code: 'authentication-failed' },
  AuthenticationException: { kind: 'denied', code: 'authentication-failed' },
  UnresolvedLinkException: { kind: 'unsafe', code: 'symbolic-link' },
  UnresolvedPathException: { kind: 'unsafe', code: 'symbolic-link' },
  InvalidPathException: invalid,
  IllegalArgumentException: invalid,
  UnsupportedOperationException: { kind: 'invalid', code: 'operation-unsupported' },
  BlockMissingException: {
    kind: 'unavailable',
    code: 'block-missing',
    hint: 'hdfs fsck PATH -blocks -locations says which',
  },
  CannotObtainBlockLengthException: { kind: 'unavailable', code: 'block-missing' },
}

/** The error of an answer that is none of bytes or of the JSON that was asked for. Reads the body. */
export async function refusal(response: HttpResponse): Promise<SupercargoError> {
  const text = await response.text(bodyBytesMax)
  return readRefusal(response, text)
}

function readRefusal(response: HttpResponse, text: string): SupercargoError {
  const { status, headers } = response
  const target = shown(response.url)
  const remote = parseRemoteException(text)
  if (remote === undefined) return withoutException(response, text, target)
  const { exception, message } = remote
  const row = rowOf(exception, message, status)
  const first = (message.split(/\r?\n/)[0] ?? '').slice(0, messageCharactersMax)
  const says = first === '' ? '' : `: ${printable(first).slice(1, -1)}`
  return new SupercargoError(row.kind, row.code, `${target} answered ${printable(exception).slice(1, -1)}${says}`, {
    hint: row.hint,
    context: { exception, status },
    ...(row.kind === 'unavailable' ? { retryAfterMs: fromStatus(503, headers, target).retryAfterMs } : {}),
  })
}

function rowOf(exception: string, message: string, status: number): Row {
  // A server that could not find out who asks wraps the reason, and a NameNode that is not active hides in some of them.
  for (const [inner, row] of Object.entries(rows)) {
    const wrapped = ['SecurityException', 'IOException', 'RemoteException'].includes(exception)
    if (wrapped && new RegExp(`\\b(?:[\\w.]+\\.|\\$)${inner}\\b`).test(message)) return row
  }
  if (/out of the range/.test(message)) return { kind: 'corrupt', code: 'source-changed' }
  if (
    /Failed to find datanode|nodes contain this block|Could not obtain block|No live nodes|Could not obtain the last block/i.test(
      message,
    )
  )
    return rows.BlockMissingException!
  if (/under construction/i.test(message)) return { kind: 'unavailable', code: 'file-being-written' }
  const known = rows[exception]
  if (known !== undefined) return known
  // Hadoop answers 403 for every other IOException of its servers; what a server failed at may succeed at the next try.
  if (/IOException$|RemoteException$|ConnectException$|TimeoutException$/.test(exception) || status >= 500)
    return { kind: 'unavailable', code: 'server-failed' }
  return status === 404 ? rows.FileNotFoundException! : invalid
}

/** A page of Jetty, of a gateway, of a login; or nothing. */
function withoutException(response: HttpResponse, text: string, target: string): SupercargoError {
  const negotiate = /\bNegotiate\b/i.test(response.headers['www-authenticate'] ?? '')
  if (response.status === 401)
    return new SupercargoError('denied', 'authentication-required', `${target} wants to know who asks`, {
      status: 401,
      hint: negotiate
        ? 'the cluster uses Kerberos: give a delegation token (hadoop.tokenFile) or a keytab (hadoop.kerberos)'
        : 'give the credentials of the gateway by headerFile of this origin in the plan',
    })
  const title = /<title>([^<]*)<\/title>/i.exec(text)?.[1]?.trim()
  if (response.status < 400)
    return new SupercargoError(
      'corrupt',
      'not-webhdfs',
      `${target} does not speak WebHDFS (status ${response.status})`,
      {
        hint: 'is this the HTTP address of a NameNode, an HttpFS or a Router?',
      },
    )
  return fromStatus(response.status, response.headers, target, title?.slice(0, messageCharactersMax))
}

function parseRemoteException(text: string): { exception: string; message: string } | undefined {
  try {
    const { exception, message } = remoteExceptionSchema.parse(JSON.parse(text)).RemoteException
    return { exception: exception.replace(/^.*[.$]/, ''), message: message ?? '' }
  } catch {
    // Not JSON, or JSON of somebody else.
    return undefined
  }
}
