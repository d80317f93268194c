/** What would fail before the first submission, and what to do about it: each check is tried, whatever the others say. */
import { type ApiClient, apiPath, type StoredObject } from '@supercargo/kube'
import { causeChain, routes, SupercargoError, toSupercargoError } from '@supercargo/protocol'
import { HttpClient, type HttpResponse } from '@supercargo/transfer'
import type { Configuration } from './configuration.ts'
import { ownKeys } from './fork-keys.ts'
import { describeRight, driverRights, mayI, type Right, submitterRights } from './rights.ts'

export interface Finding {
  /** `unknown`: it could not be looked at, which is no fault. */
  readonly verdict: 'good' | 'bad' | 'warning' | 'unknown'
  readonly says: string
  readonly hint?: string
}

export interface DoctorRequest {
  readonly client: ApiClient
  readonly namespace: string
  readonly configuration: Configuration
  readonly server: string | undefined
  readonly initImage: string | undefined
  /** For the staging server. */
  readonly trust: NonNullable<ConstructorParameters<typeof HttpClient>[0]>['trust']
}

const answerTimeoutMs = 10_000

type Check = (request: DoctorRequest, signal: AbortSignal) => Promise<readonly Finding[]>

const checks: readonly Check[] = [images, stagingServer, apiServer, ownRights, driverAccount, quota]

/** In the order of the checks. Only the signal rejects. */
export async function examine(request: DoctorRequest, signal: AbortSignal): Promise<readonly Finding[]> {
  const found = await Promise.all(
    checks.map(async (check) => {
      try {
        return await check(request, signal)
      } catch (error) {
        if (signal.aborted) throw error
        return [fault(toSupercargoError(error))]
      }
    }),
  )
  return found.flat()
}

export function fault(error: SupercargoError): Finding {
  return {
    verdict: 'bad',
    says: causeChain(error).slice(0, 2).join(': '),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  }
}

async function images({ configuration, initImage }: DoctorRequest): Promise<readonly Finding[]> {
  const image =
    configuration.text('spark.kubernetes.driver.container.image') ??
    configuration.text('spark.kubernetes.container.image')
  return [
    image === undefined
      ? bad("no image is named for Spark's pods", 'set spark.kubernetes.container.image')
      : good(`the image of Spark is ${image}`),
    initImage === undefined
      ? bad('no image is named for the init-container', `name it with --init-image or ${ownKeys.initImage}`)
      : good(`the image of the init-container is ${initImage}`),
  ]
}

async function stagingServer({ server, trust }: DoctorRequest, signal: AbortSignal): Promise<readonly Finding[]> {
  if (server === undefined) return [bad('no staging server is named', 'name it with --server or SUPERCARGO_SERVER')]
  const http = new HttpClient({ trust, userAgent: 'supercargo', policy: { metadata: false, own: true } })
  try {
    const url = new URL(server)
    url.pathname = `${url.pathname.replace(/\/$/, '')}${routes.ready}`
    const within = AbortSignal.any([signal, AbortSignal.timeout(answerTimeoutMs)])
    const response: HttpResponse = await http.request({ method: 'GET', url, headers: () => ({}), signal: within })
    response.discard()
    return [
      response.status < 300
        ? good(`the staging server ${server} is ready`)
        : bad(`the staging server ${server} answers ${response.status}`, 'is this its address, with its path prefix?'),
    ]
  } finally {
    http.close()
  }
}

async function apiServer({ client, namespace }: DoctorRequest, signal: AbortSignal): Promise<readonly Finding[]> {
  const answer = await client.request(
    { what: 'read the version of the API server', path: '/version', deadlineMs: answerTimeoutMs },
    signal,
  )
  const { gitVersion } = answer.json() as { gitVersion?: string }
  const version = good(
    `the API server ${client.connection.server.origin} is Kubernetes ${gitVersion ?? 'of an unknown version'}`,
  )
  try {
    await client.request(
      { what: `read namespace ${namespace}`, path: apiPath('/api/v1', 'namespaces', namespace) },
      signal,
    )
    return [version, good(`the namespace ${namespace} is there`)]
  } catch (error) {
    if (!SupercargoError.is(error)) throw error
    if (error.kind === 'notFound')
      return [version, bad(`there is no namespace ${namespace}`, `kubectl create namespace ${namespace}`)]
    if (error.kind === 'denied') return [version, unknown(`whether the namespace ${namespace} is there cannot be seen`)]
    throw error
  }
}

async function ownRights({ client, namespace }: DoctorRequest, signal: AbortSignal): Promise<readonly Finding[]> {
  return rightsOf(submitterRights, 'you may', `in ${namespace}`, (right) =>
    mayI(client, namespace, right, undefined, signal),
  )
}

async function driverAccount(
  { client, namespace, configuration }: DoctorRequest,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const account = configuration.text('spark.kubernetes.authenticate.driver.serviceAccountName') ?? 'default'
  const user = `system:serviceaccount:${namespace}:${account}`
  return rightsOf(driverRights, `the driver's account ${account} may`, `in ${namespace}`, (right) =>
    mayI(client, namespace, right, user, signal),
  )
}

async function rightsOf(
  rights: readonly Right[],
  who: string,
  where: string,
  ask: (right: Right) => Promise<boolean | undefined>,
): Promise<readonly Finding[]> {
  const answers = await Promise.all(rights.map(async (right) => ({ right, allowed: await ask(right) })))
  if (answers.every(({ allowed }) => allowed === undefined))
    return [unknown(`what ${who.replace(/ may$/, '')} may do cannot be seen: only administrators may ask that`)]
  const missing = answers.filter(({ allowed }) => allowed !== true)
  if (missing.length === 0) return [good(`${who} do what is needed ${where}`)]
  return missing.map(({ right }) => ({
    verdict: right.loses === undefined ? 'bad' : 'warning',
    says: `${who} not ${describeRight(right)} ${where}${right.loses === undefined ? '' : `: ${right.loses}`}`,
    hint: 'grant it in a Role',
  }))
}

interface Quota extends StoredObject {
  readonly status?: {
    readonly hard?: Readonly<Record<string, string>>
    readonly used?: Readonly<Record<string, string>>
  }
}

/** A quota that is used up refuses the pod; one for memory or CPU refuses executors that say nothing about it. */
async function quota({ client, namespace }: DoctorRequest, signal: AbortSignal): Promise<readonly Finding[]> {
  const path = apiPath('/api/v1', 'namespaces', namespace, 'resourcequotas')
  try {
    const answer = await client.request({ what: `list quotas in ${namespace}`, path }, signal)
    const { items } = answer.json() as { items?: readonly Quota[] | null }
    const full = (items ?? []).flatMap(({ metadata, status }) =>
      Object.entries(status?.hard ?? {})
        .filter(([name, hard]) => status?.used?.[name] === hard)
        .map(([name, hard]) =>
          bad(`the quota ${metadata.name} has no ${name} left (${hard})`, 'delete what is not needed, or ask for more'),
        ),
    )
    return full.length > 0 ? full : [good(`no quota of ${namespace} is used up`)]
  } catch (error) {
    if (SupercargoError.is(error) && error.kind === 'denied')
      return [unknown(`the quotas of ${namespace} cannot be seen`)]
    throw error
  }
}

function good(says: string): Finding {
  return { verdict: 'good', says }
}

function bad(says: string, hint: string): Finding {
  return { verdict: 'bad', says, hint }
}

function unknown(says: string): Finding {
  return { verdict: 'unknown', says }
}
