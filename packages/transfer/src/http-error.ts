/** Translates failures of a connection, and answers that are failures, into our kinds: the border file of node:http. */
import type { IncomingHttpHeaders } from 'node:http'
import { type ErrorKind, kindTable, printable, SupercargoError } from '@supercargo/protocol'
import { parseRetryAfter } from './retry.ts'
import { shown } from './shown-url.ts'

/** OpenSSL's words for what a server says of our certificate; in the code or in the message, by the moment they arrive. */
const certificateAlert =
  /alert (certificate (required|unknown|expired|revoked)|bad certificate|unknown ca|handshake failure)/i

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

/** `target` is an origin or a URL without its query: it is shown. */
export function fromConnectionError(error: unknown, target: string): SupercargoError {
  if (SupercargoError.is(error)) return error
  const code = (error as NodeJS.ErrnoException)?.code ?? ''
  const reason = error instanceof Error ? error.message : String(error)
  const make = (kind: ErrorKind, name: string, says: string, hint?: string) =>
    new SupercargoError(kind, name, `${target}: ${says}`, { cause: error, hint })
  if (code === 'ECONNREFUSED')
    return make(
      'unavailable',
      'connection-refused',
      'connection refused',
      'is the server running, and is this its address?',
    )
  if (code === 'ENOTFOUND')
    return make(
      'unavailable',
      'host-not-found',
      'the host name is not known',
      'check the name, and the DNS that is used here',
    )
  if (code === 'EAI_AGAIN') return make('unavailable', 'dns-failed', 'the name server did not answer')
  if (['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN'].includes(code))
    return make('unavailable', 'unreachable', `cannot be reached (${code})`)
  if (['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'ERR_STREAM_PREMATURE_CLOSE'].includes(code))
    return make('interrupted', 'connection-lost', 'the connection was cut')
  if (certificateCodes.has(code)) {
    return make(
      'denied',
      'certificate-refused',
      `its certificate is not trusted: ${reason}`,
      'name the authority with --ca-file (caFile in a plan)',
    )
  }
  if (certificateAlert.test(`${code} ${reason}`.replaceAll('_', ' '))) {
    return make(
      'denied',
      'client-certificate-refused',
      `the server refused the client certificate, or the want of one (${code})`,
      'give a certificate that it accepts (certFile and keyFile in a plan)',
    )
  }
  if (code === 'EPROTO' || code.startsWith('ERR_SSL')) {
    return make('denied', 'tls-failed', 'no TLS connection could be made', 'does the server speak https on this port?')
  }
  if (code.startsWith('HPE_'))
    return make('corrupt', 'not-http', `the answer is not HTTP (${code})`, 'is this the right port?')
  return make('unavailable', 'connection-failed', reason)
}

/**
 * A proxy that makes no tunnel (undefined: the failure is not of that kind). 407 is for good, and so is any other refusal;
 * 5xx is the proxy's word for a server that it cannot reach.
 */
export function fromProxyError(
  error: unknown,
  { url, proxy }: { readonly url: URL; readonly proxy?: URL | undefined },
): SupercargoError | undefined {
  const { code, statusCode } = error as { code?: string; statusCode?: number }
  if (proxy === undefined || code !== 'ERR_PROXY_TUNNEL') return undefined
  const says = `${shown(url)}: the proxy ${proxy.host} ${statusCode === undefined ? 'made no tunnel' : `answered ${statusCode}`}`
  if (statusCode === undefined || statusCode >= 500) {
    return new SupercargoError('unavailable', 'proxy-failed', says, { cause: error })
  }
  return new SupercargoError('denied', 'proxy-refused', says, {
    cause: error,
    hint:
      statusCode === 407
        ? 'give user and password in the URL of HTTPS_PROXY and HTTP_PROXY'
        : 'does the proxy allow this host and port? name it in NO_PROXY if it is reached directly',
  })
}

/**
 * What a status means when there is no better word in the body. 5xx, 408, 421, 425 and 429 may be tried again; 401 and 403
 * are `denied`; other 4xx are for good.
 */
export function fromStatus(
  status: number,
  headers: IncomingHttpHeaders,
  target: string,
  detail?: string,
): SupercargoError {
  const kind = statusKind(status)
  const says =
    detail === undefined || detail === ''
      ? `answered ${status}`
      : `answered ${status}: ${printable(detail).slice(1, -1)}`
  return new SupercargoError(kind, `http-${status}`, `${target} ${says}`, {
    status: kind === 'denied' ? status : kindTable[kind].status,
    retryAfterMs: parseRetryAfter(headers['retry-after'], Date.now()),
    context: { status },
  })
}

function statusKind(status: number): ErrorKind {
  if (status === 401 || status === 403 || status === 407) return 'denied'
  if (status === 404 || status === 410) return 'notFound'
  if (status === 409 || status === 412) return 'conflict'
  if (status === 413) return 'tooLarge'
  if (status === 416) return 'range'
  if (status === 422) return 'corrupt'
  if (status === 507) return 'exhausted'
  if (status >= 500 || status === 408 || status === 421 || status === 425 || status === 429) return 'unavailable'
  if (status >= 400) return 'invalid'
  return 'corrupt'
}
