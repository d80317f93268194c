/** Who may do what: asked of the API server before anything is created. */
import { type ApiClient, apiPath } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'

export interface Right {
  readonly verb: string
  readonly resource: string
  readonly subresource?: string
  /** Without it something else is lost than the submission: said in words. */
  readonly loses?: string
}

/** What a submission does. */
export const submitterRights: readonly Right[] = [
  { verb: 'create', resource: 'pods' },
  { verb: 'patch', resource: 'pods' },
  { verb: 'create', resource: 'configmaps' },
  { verb: 'create', resource: 'secrets' },
  { verb: 'create', resource: 'services' },
  { verb: 'watch', resource: 'pods', loses: 'the command cannot wait for the driver' },
  { verb: 'list', resource: 'pods', loses: 'what dead submitters left is not found, nor are drivers by their names' },
  { verb: 'delete', resource: 'pods', loses: 'a submission that fails half-way cannot take its pod back' },
  { verb: 'get', resource: 'pods', subresource: 'log', loses: 'no log can be followed' },
]

/** What the driver does with its service account. */
export const driverRights: readonly Right[] = [
  ...['create', 'get', 'list', 'watch', 'delete'].map((verb) => ({ verb, resource: 'pods' })),
  { verb: 'create', resource: 'configmaps' },
  {
    verb: 'deletecollection',
    resource: 'pods',
    loses: 'the driver complains at its end, and executors may stay a while',
  },
  { verb: 'deletecollection', resource: 'configmaps', loses: 'the driver complains at its end' },
  { verb: 'deletecollection', resource: 'services', loses: 'the driver complains at its end' },
]

/** Of the one who asks, or of `user`, which only administrators may ask for: then undefined may be the answer. */
export async function mayI(
  client: ApiClient,
  namespace: string,
  { verb, resource, subresource }: Right,
  user: string | undefined,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const kind = user === undefined ? 'SelfSubjectAccessReview' : 'SubjectAccessReview'
  const apiVersion = 'authorization.k8s.io/v1'
  const attributes = { namespace, verb, resource, group: '', ...(subresource === undefined ? {} : { subresource }) }
  const body = { apiVersion, kind, spec: { resourceAttributes: attributes, ...(user === undefined ? {} : { user }) } }
  const path = apiPath(`/apis/${apiVersion}`, `${kind.toLowerCase()}s`)
  try {
    const answer = await client.request(
      { what: `ask for the right to ${verb} ${resource}`, method: 'POST', path, body, idempotent: true },
      signal,
    )
    return (answer.json() as { status?: { allowed?: boolean } }).status?.allowed === true
  } catch (error) {
    if (user !== undefined && SupercargoError.is(error) && error.kind === 'denied') return undefined
    throw error
  }
}

export function describeRight({ verb, resource, subresource }: Right): string {
  return `${verb} ${resource}${subresource === undefined ? '' : `/${subresource}`}`
}
