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
  const status = fromStatus(response.status, response.headers, shown(response.url), detail)
  return new SupercargoError(status.kind, status.code, status.message, {
    status: status.status,
    retryAfterMs: status.retryAfterMs,
    context: status.context,
    hint: `the answer (${type === '' ? 'without a type' : printable(type).slice(1, -1)}) is not from a staging server: is a proxy or ingress in between, and is --server the right address?`,
  })
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
