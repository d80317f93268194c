/** Translates failed connections and failed answers of the API server into our kinds: the border file of node:https. */
import type { IncomingHttpHeaders } from 'node:http'
import { type ErrorKind, SupercargoError } from '@supercargo/protocol'

/** What is shown of a message that came from outside. */
const detailCharactersMax = 500
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu
const retryAfterMsMax = 3_600_000

const certificateCodes = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
])

/** `what` is what was asked: "list pods in spark". */
export function fromConnectionError(error: unknown, what: string): SupercargoError {
  if (SupercargoError.is(error)) return error
  const code = String((error as NodeJS.ErrnoException | undefined)?.code ?? '')
  const reason = error instanceof Error ? error.message : String(error)
  const make = (kind: ErrorKind, name: string, says: string, hint?: string) =>
    new SupercargoError(kind, name, `${what}: ${says}`, { cause: error, hint })
  if (certificateCodes.has(code)) {
    const hint = 'check certificate-authority in the kubeconfig'
    return make('denied', 'kube-certificate-refused', `the API server's certificate is not trusted (${code})`, hint)
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return make('denied', 'kube-tls-failed', `no TLS connection to the API server (${code})`)
  }
  if (['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ERR_STREAM_PREMATURE_CLOSE'].includes(code)) {
    return make('unavailable', 'kube-connection-lost', 'the connection to the API server was cut')
  }
  if (code.startsWith('Z_') || code.startsWith('HPE_')) {
    return make('corrupt', 'kube-bad-answer', `the API server's answer is broken (${code})`)
  }
  const hint = code === 'ECONNREFUSED' || code === 'ENOTFOUND' ? 'is this the address of the cluster?' : undefined
  const says = `the API server cannot be reached (${code === '' || code === 'ERR_PROXY_TUNNEL' ? reason : code})`
  return make('unavailable', 'kube-unreachable', says, hint)
}

export interface FailedAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly what: string
  /** The API server's own words may quote the object that was sent: for objects with secrets they are left out. */
  readonly confidential?: boolean | undefined
}

/** The meaning of an answer that is not 2xx. The body is a `Status` object, or plain text from a filter before the API. */
export function fromAnswer(answer: FailedAnswer): SupercargoError {
  const { status, what } = answer
  const body = parseStatus(answer.body)
  const [kind, code] = classify(status, body)
  const words = answer.confidential === true ? '' : (body?.message ?? answer.body).trim()
  const detail = words === '' ? '' : `: ${words.slice(0, detailCharactersMax).replace(unprintable, ' ')}`
  return new SupercargoError(kind, code, `${what}: the API server answered ${status}${detail}`, {
    hint: hints[code],
    ...(kind === 'denied' ? { status } : {}),
    context: { status, ...(body?.reason === undefined ? {} : { reason: body.reason }) },
    retryAfterMs: retryAfterMs(answer.headers['retry-after'], body?.details?.retryAfterSeconds),
  })
}

/** What an aborted signal means: our own error when it carries one, else `interrupted`. */
export function abortReason(signal: AbortSignal): SupercargoError {
  const reason: unknown = signal.reason
  if (SupercargoError.is(reason)) return reason
  return new SupercargoError('interrupted', 'aborted', 'the operation was stopped', { cause: reason })
}

const hints: Readonly<Record<string, string>> = {
  'kube-unauthorized': 'the token or certificate is not accepted: is it expired, or of another cluster?',
  'kube-forbidden': 'grant this right in a Role or ClusterRole, or leave the namespace out',
  'kube-type-not-found': 'is the CustomResourceDefinition installed, and in this version?',
}

interface StatusBody {
  readonly message?: string
  readonly reason?: string
  readonly details?: { readonly name?: string; readonly retryAfterSeconds?: number }
}

function parseStatus(text: string): StatusBody | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'Status'
      ? (value as StatusBody)
      : undefined
  } catch {
    return undefined // Plain text: 429 of the queue, 404 of an unknown group, 502 of a proxy.
  }
}

function classify(status: number, body: StatusBody | undefined): readonly [ErrorKind, string] {
  if (status === 401) return ['denied', 'kube-unauthorized']
  if (status === 403) return ['denied', 'kube-forbidden']
  if (status === 404) {
    // A missing object is named; a missing type is not, or is plain text.
    return ['notFound', body?.details?.name === undefined ? 'kube-type-not-found' : 'kube-not-found']
  }
  if (status === 409) return ['conflict', body?.reason === 'AlreadyExists' ? 'kube-already-exists' : 'kube-conflict']
  if (status === 410) return ['unavailable', 'kube-expired']
  if (status === 413) return ['tooLarge', 'kube-too-large']
  if (status === 429) return ['unavailable', 'kube-throttled']
  if (status === 504) return ['unavailable', 'kube-timeout']
  if (status >= 500) return ['unavailable', 'kube-server-error']
  if (status >= 400) return ['invalid', 'kube-refused']
  return ['corrupt', 'kube-bad-answer']
}

function retryAfterMs(field: string | undefined, seconds: unknown): number | undefined {
  const ms =
    field === undefined
      ? typeof seconds === 'number'
        ? seconds * 1000
        : Number.NaN
      : /^\d+$/.test(field.trim())
        ? Number(field) * 1000
        : Date.parse(field) - Date.now()
  return ms > 0 ? Math.min(ms, retryAfterMsMax) : undefined
}
