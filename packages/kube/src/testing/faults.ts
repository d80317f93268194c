/** What can go wrong with an answer of the API server: the catalogue of answers that are no evidence, as scripts for the double. */

/** One request as the double sees it. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

// biome-ignore lint/suspicious/noExplicitAny: a fault may turn a list into anything.
export type ListBody = any

export type Fault =
  /** Instead of the real answer. */
  | { readonly answer: { readonly status: number; readonly headers?: Record<string, string>; readonly body: string } }
  /** The real answer, changed. */
  | { readonly rewrite: (body: ListBody) => ListBody }
  | { readonly contentType: string }
  | { readonly status: number }
  /** The connection ends before the head, or after this part of the body. */
  | { readonly cutAfter: number }
  /** No answer at all, while the connection stands. */
  | { readonly stall: true }

export interface CatalogueRow {
  readonly name: string
  readonly fault: Fault
  /** What the lookup calls it. */
  readonly code: string
}

function status(code: number, reason: string, message: string, details: object = {}): Fault {
  const body = JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', message, reason, details, code })
  return { answer: { status: code, body, headers: { 'content-type': 'application/json' } } }
}

function text(code: number, body: string, headers: Record<string, string> = {}): Fault {
  return { answer: { status: code, body, headers: { 'content-type': 'text/plain; charset=utf-8', ...headers } } }
}

function metadata(change: object): Fault {
  return { rewrite: (body) => ({ ...body, metadata: { ...body.metadata, ...change } }) }
}

/** Answers that say nothing about what is there. Each, at any page of a list, must leave every owner that was not seen unknown. */
export const noEvidence: readonly CatalogueRow[] = [
  { name: '400 malformed continue', fault: status(400, 'BadRequest', 'invalid continue'), code: 'kube-refused' },
  { name: '401 bad token', fault: status(401, 'Unauthorized', 'Unauthorized'), code: 'kube-unauthorized' },
  { name: '403 no right', fault: status(403, 'Forbidden', 'pods is forbidden'), code: 'kube-forbidden' },
  { name: '404 group unknown, plain text', fault: text(404, '404 page not found\n'), code: 'kube-type-not-found' },
  {
    name: '404 resource unknown, Status',
    fault: status(404, 'NotFound', 'the server could not find the requested resource'),
    code: 'kube-type-not-found',
  },
  { name: '406 wrong media type', fault: status(406, 'NotAcceptable', 'only the following'), code: 'kube-refused' },
  {
    name: '410 that offers a continue token',
    fault: {
      answer: {
        status: 410,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ kind: 'Status', metadata: { continue: 'another' }, reason: 'Expired', code: 410 }),
      },
    },
    code: 'kube-expired',
  },
  {
    name: '429 of the queue, plain text',
    fault: text(429, 'Too many requests', { 'retry-after': '1' }),
    code: 'kube-throttled',
  },
  { name: '500', fault: status(500, 'InternalError', 'etcdserver: request timed out'), code: 'kube-server-error' },
  { name: '502 of a proxy', fault: text(502, '<html>bad gateway</html>'), code: 'kube-server-error' },
  { name: '503 starting', fault: status(503, 'ServiceUnavailable', 'starting'), code: 'kube-server-error' },
  {
    name: '504 version ahead of the cache',
    fault: status(504, 'Timeout', 'Too large resource version'),
    code: 'kube-timeout',
  },
  {
    name: '200 with HTML',
    fault: { answer: { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>log in</html>' } },
    code: 'kube-not-a-list',
  },
  { name: '200 with another media type', fault: { contentType: 'text/plain' }, code: 'kube-not-a-list' },
  {
    name: '200 empty body',
    fault: { answer: { status: 200, headers: { 'content-type': 'application/json' }, body: '' } },
    code: 'kube-not-json',
  },
  { name: '200 with a Status', fault: status(200, 'Success', ''), code: 'kube-not-a-list' },
  { name: '200 with an empty object', fault: { rewrite: () => ({}) }, code: 'kube-not-a-list' },
  {
    name: '200 with a single object',
    fault: { rewrite: (body) => ({ ...body, kind: 'PartialObjectMetadata' }) },
    code: 'kube-not-a-list',
  },
  { name: '200 without items', fault: { rewrite: ({ items: _, ...body }) => body }, code: 'kube-not-a-list' },
  { name: '206 with a list', fault: { status: 206 }, code: 'kube-not-a-list' },
  { name: '204', fault: { answer: { status: 204, body: '' } }, code: 'kube-not-a-list' },
  { name: '302 to a login page', fault: text(302, '', { location: '/login' }), code: 'kube-bad-answer' },
  { name: 'an object without a uid', fault: { rewrite: withoutUids }, code: 'kube-not-a-list' },
  { name: 'no resourceVersion', fault: metadata({ resourceVersion: '' }), code: 'kube-list-unversioned' },
  { name: 'resourceVersion 0', fault: metadata({ resourceVersion: '0' }), code: 'kube-list-unversioned' },
  { name: 'an older version', fault: metadata({ resourceVersion: '1' }), code: 'kube-list-older' },
  { name: 'a cut body', fault: { cutAfter: 0.5 }, code: 'kube-connection-lost' },
  { name: 'a closed connection', fault: { cutAfter: 0 }, code: 'kube-connection-lost' },
  { name: 'no answer', fault: { stall: true }, code: 'kube-deadline' },
]

/** Faults of the last page of a list with several pages. */
export const lostPages: readonly CatalogueRow[] = [
  {
    name: 'the last page lost, the rest announced',
    fault: { rewrite: ({ metadata: { continue: _, ...rest }, ...body }) => ({ ...body, metadata: rest }) },
    code: 'kube-list-cut',
  },
  {
    name: 'pages of two versions',
    fault: metadata({ resourceVersion: '99999999' }),
    code: 'kube-list-torn',
  },
  {
    name: 'items missing from a page',
    fault: { rewrite: (body) => ({ ...body, items: null }) },
    code: 'kube-list-miscounted',
  },
]

function withoutUids(body: ListBody): ListBody {
  return { ...body, items: [{ metadata: { name: 'x', namespace: 'y' } }] }
}
