/** The staging server by both of its addresses: that of submitters, tried, and that of pods, as far as it can be seen from here. */
import { type ApiClient, builtInPath, readObject, type StoredObject } from '@supercargo/kube'
import { emptyDigest, hostOf, mediaTypes, resourceIdLength, routes, SupercargoError } from '@supercargo/protocol'
import { HttpClient, type HttpResponse, type ProxyFor } from '@supercargo/transfer'
import { bad, type Finding, fault, good, unknown } from './finding.ts'
import { checkServers } from './prepare.ts'

export interface ServerQuestion {
  readonly client: ApiClient
  readonly namespace: string
  /** Where submitters reach it. */
  readonly server: string | undefined
  /** Where pods reach it; undefined when that is the same. */
  readonly podServer: string | undefined
  readonly trust: NonNullable<ConstructorParameters<typeof HttpClient>[0]>['trust']
  readonly proxyFor?: ProxyFor | undefined
}

const answerTimeoutMs = 10_000
/** A proxy that lets this through has no limit that matters. */
const triedBodyBytes = 2 ** 30
/** Who says nothing for this long to a body that it was told of does not refuse it. */
const refusalTimeoutMs = 3000

export async function examineServer(question: ServerQuestion, signal: AbortSignal): Promise<readonly Finding[]> {
  const { server } = question
  const podServer = question.podServer ?? server
  if (server === undefined) return [bad('no staging server is named', 'name it with --server or SUPERCARGO_SERVER')]
  const { trust, proxyFor } = question
  const http = new HttpClient({ trust, proxyFor, userAgent: 'supercargo', policy: { metadata: false, own: true } })
  try {
    const findings = [await ready(http, server, signal)]
    if (findings[0]!.verdict === 'good') findings.push(...(await bodyLimit(http, server, signal)))
    if (podServer !== undefined) findings.push(...(await fromPods(question, http, podServer, signal)))
    return findings
  } finally {
    http.close()
  }
}

async function ready(http: HttpClient, server: string, signal: AbortSignal): Promise<Finding> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)])
  try {
    const response = await http.request({ url: at(server, routes.ready), signal: within })
    response.discard()
    if (response.status < 300) return good(`the staging server ${server} is ready`)
    return bad(`the staging server ${server} answers ${response.status}`, 'is this its address, with its path prefix?')
  } catch (error) {
    if (signal.aborted || !SupercargoError.is(error)) throw error
    return fault(error)
  }
}

/** Tells of a large body, sends none of it, and looks whether something in front refuses it. The server itself only says whose it is not. */
async function bodyLimit(http: HttpClient, server: string, signal: AbortSignal): Promise<readonly Finding[]> {
  const asked = new AbortController()
  const within = AbortSignal.any([signal, asked.signal, AbortSignal.timeout(refusalTimeoutMs)])
  let response: HttpResponse
  try {
    response = await http.request({
      method: 'PUT',
      url: at(server, routes.v1.blob('a'.repeat(resourceIdLength), emptyDigest)),
      headers: { 'content-type': mediaTypes.bytes, 'content-length': triedBodyBytes, expect: '100-continue' },
      body: () => new Promise<void>(() => undefined),
      onInterim: () => asked.abort(),
      signal: within,
    })
  } catch (error) {
    if (signal.aborted || (!SupercargoError.is(error) && !within.aborted)) throw error
    // The body was asked for, or nobody said anything: it was not refused.
    return []
  }
  response.stream.destroy()
  const isOurs = (response.headers['content-type'] ?? '').startsWith(mediaTypes.problem)
  if (response.status !== 413 || isOurs) return []
  return [
    bad(
      `something in front of the staging server ${server} refuses bodies of 1 GiB`,
      'raise the limit there (client_max_body_size 0 in nginx; the annotation nginx.ingress.kubernetes.io/proxy-body-size: "0" of an Ingress)',
    ),
  ]
}

async function fromPods(
  question: ServerQuestion,
  http: HttpClient,
  podServer: string,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  try {
    checkServers(question.server, podServer)
  } catch (error) {
    if (!SupercargoError.is(error)) throw error
    return [fault(error)]
  }
  const service = serviceOf(new URL(podServer), question.namespace)
  if (service !== undefined) {
    const finding = await lookAtService(question.client, podServer, service, signal)
    if (finding !== undefined) return [finding]
  }
  if (podServer === question.server) return []
  const found = await ready(http, podServer, signal)
  if (found.verdict === 'good') return [good(`${found.says}, which is its address for pods`)]
  return [
    unknown(
      `the address of the staging server for pods cannot be seen from here: ${found.says}`,
      'with --probe a pod tries it',
    ),
  ]
}

interface Service extends StoredObject {
  readonly spec?: { readonly ports?: readonly { readonly port: number }[] }
}

interface NamedService {
  readonly name: string
  readonly namespace: string
  readonly port: number
  /** `name.namespace` may be a name of the world, too. */
  readonly certain: boolean
}

function serviceOf(url: URL, namespace: string): NamedService | undefined {
  const match = /^([a-z0-9-]+)(?:\.([a-z0-9-]+)(\.svc(?:\.cluster\.local)?)?)?\.?$/.exec(hostOf(url))
  if (match === null || /^\d+$/.test(match[1]!)) return undefined
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  return {
    name: match[1]!,
    namespace: match[2] ?? namespace,
    port,
    certain: match[2] === undefined || match[3] !== undefined,
  }
}

async function lookAtService(
  client: ApiClient,
  podServer: string,
  { name, namespace, port, certain }: NamedService,
  signal: AbortSignal,
): Promise<Finding | undefined> {
  const place = { path: builtInPath('v1', 'Service'), namespace, name }
  try {
    const service = (await readObject(client, place, signal)) as Service | undefined
    if (service === undefined && !certain) return undefined
    if (service === undefined)
      return bad(
        `there is no Service ${name} in ${namespace}, which ${podServer} names`,
        'say with --pod-server how pods reach the staging server',
      )
    const ports = (service.spec?.ports ?? []).map((each) => each.port)
    if (ports.includes(port))
      return good(`${podServer}, where pods reach the staging server, is a Service of the cluster`)
    return bad(
      `the Service ${name} in ${namespace} has no port ${port}, which ${podServer} names`,
      `it has ${ports.join(', ')}`,
    )
  } catch (error) {
    if (!SupercargoError.is(error)) throw error
    if (error.kind === 'denied')
      return unknown(`whether there is a Service ${name} in ${namespace} cannot be seen`, 'with --probe a pod tries it')
    throw error
  }
}

function at(server: string, path: string): URL {
  const url = new URL(server)
  url.pathname = `${url.pathname.replace(/\/$/, '')}${path}`
  return url
}
