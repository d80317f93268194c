/** What would fail before the first submission, and what to do about it: each check is tried, whatever the others say. */
import { apiPath, type StoredObject } from '@supercargo/kube'
import { SupercargoError, toSupercargoError } from '@supercargo/protocol'
import type { Configuration } from './configuration.ts'
import { examineServer, type ServerQuestion } from './examine-server.ts'
import { bad, type Finding, fault, good, unknown } from './finding.ts'
import { ownKeys } from './fork-keys.ts'
import { describeRight, driverRights, mayI, type Right, submitterRights } from './rights.ts'

export interface DoctorRequest extends ServerQuestion {
  readonly configuration: Configuration
  readonly initImage: string | undefined
}

const answerTimeoutMs = 10_000

type Check = (request: DoctorRequest, signal: AbortSignal) => Promise<readonly Finding[]>

const checks: readonly Check[] = [images, examineServer, apiServer, ownRights, driverAccount, quota]

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
