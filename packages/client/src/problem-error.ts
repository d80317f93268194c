/** An answer that is a failure, as our error: from problem details where the server wrote them, else from the status alone. */
import {
  type ErrorKind,
  kindTable,
  mediaTypes,
  parseJson,
  printable,
  problemSchema,
  SupercargoError,
} from '@supercargo/protocol'
import { fromStatus, type HttpResponse, parseRetryAfter, shown } from '@supercargo/transfer'

/** Problem details are small; more than this is not one of ours. */
const problemBytesMax = 1 << 20

/** Reads the body to its end and gives the error that it describes. Never throws, except when the connection breaks. */
export async function problemError(response: HttpResponse): Promise<SupercargoError> {
  const type = response.headers['content-type'] ?? ''
  const text = await response.text(problemBytesMax)
  const rebuilt = type.startsWith(mediaTypes.problem) ? fromProblem(text, response) : undefined
  return rebuilt ?? foreignError(response, type, text)
}

function fromProblem(text: string, response: HttpResponse): SupercargoError | undefined {
  let value: unknown
  try {
    value = parseJson(text, 'the problem')
  } catch {
    // Called a problem and is none: the status says all there is to know.
    return undefined
  }
  const problem = problemSchema.safeParse(value)
  if (!problem.success) return undefined
  const { code, kind, hint, detail, title, requestId } = problem.data
  const missing = stringsOf((value as { missing?: unknown }).missing) ?? stringsOf(contextOf(value).missing)
  const status = fromStatus(response.status, response.headers, shown(response.url))
  return new SupercargoError(isKind(kind) ? kind : status.kind, code, detail ?? title, {
    hint,
    status: response.status,
    retryAfterMs: parseRetryAfter(response.headers['retry-after'], Date.now()),
    context: {
      ...(requestId === undefined ? {} : { requestId }),
      ...(missing === undefined ? {} : { missing }),
    },
  })
}

/** Something between us and the server answered: an ingress, a proxy, a captive portal, another program on that port. */
function foreignError(response: HttpResponse, type: string, text: string): SupercargoError {
  const detail = type.startsWith('text/plain') ? text.trim().slice(0, 200) : undefined
  const { kind, code, message, ...rest } = fromStatus(response.status, response.headers, shown(response.url), detail)
  const { status, retryAfterMs, context } = rest
  const shape = type === '' ? 'without a type' : printable(type).slice(1, -1)
  const hint = `the answer (${shape}) is not from a staging server: ${proxyHint(response.status, text)}`
  if (response.status !== 413) return new SupercargoError(kind, code, message, { status, retryAfterMs, context, hint })
  const says = `${message}: something in front of the staging server takes no body of this size`
  return new SupercargoError(kind, 'proxy-body-limit', says, { status, context, hint })
}

/** What is known to be the cause, and where it is set: names of nginx, which is in front of most. */
function proxyHint(status: number, text: string): string {
  if (status === 413)
    return 'raise the limit there (client_max_body_size 0 in nginx; the annotation nginx.ingress.kubernetes.io/proxy-body-size: "0" of an Ingress)'
  if (status === 504)
    return 'a proxy waited for it too long; raise proxy_read_timeout and proxy_send_timeout in nginx (annotations nginx.ingress.kubernetes.io/proxy-read-timeout and proxy-send-timeout of an Ingress) if this comes again'
  if (status === 502 || status === 503) return 'a proxy does not reach it; is it running and ready?'
  if (text.includes('plain HTTP request was sent to HTTPS port')) return 'write https:// in --server'
  return 'is a proxy or ingress in between, and is --server the right address?'
}

function isKind(kind: string | undefined): kind is ErrorKind {
  return kind !== undefined && Object.hasOwn(kindTable, kind)
}

function contextOf(value: unknown): Record<string, unknown> {
  const context = (value as { context?: unknown }).context
  return typeof context === 'object' && context !== null ? (context as Record<string, unknown>) : {}
}

function stringsOf(value: unknown): string[] | undefined {
  return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : undefined
}
