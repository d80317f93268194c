/** The plan for the init-container, from the plan of the submission. */
import { type Plan, planSchema } from '@supercargo/protocol'
import type { z } from 'zod'
import type { Configuration } from './configuration.ts'
import { hadoopConfigMap } from './steps/hadoop.ts'
import { tokenSecret } from './steps/kerberos.ts'
import type { Submission } from './submission.ts'

/** Where the init-container finds its plan and what belongs to it. */
export const planDirectory = '/etc/supercargo'
export const planPath = `${planDirectory}/plan.json`
export const planHadoopDirectory = '/etc/supercargo-hadoop'
export const planTokenDirectory = '/etc/supercargo-tokens'

/** In place of an id in a dry run, where nothing is staged. */
export const noResource = '0'.repeat(26)

/** As it may be written. */
export type PlanInput = z.input<typeof planSchema>

export interface PlanFacts {
  readonly root: string
  /** The id of the resource, when something is staged. */
  readonly resource: string | undefined
  /** Beside what is staged. */
  readonly fetched: readonly { readonly uri: string; readonly to: string }[]
  /** The staging server as the pods see it. */
  readonly server: string
  /** The pods trust an authority of its own for the server. */
  readonly ownAuthority: boolean
  readonly hadoop: Plan['hadoop']
  readonly deadlineMs: number | undefined
}

export function localizePlan(submission: Submission): Plan {
  const { plan, staged, inputs, localizer } = submission
  const said = planOf({
    ...plan,
    ...localizer,
    resource: plan.staged.length === 0 ? undefined : (staged?.resourceId ?? noResource),
    ownAuthority: inputs.stagingCa !== undefined,
    hadoop: readsHadoop(plan.fetched) ? hadoopSettings(submission) : undefined,
  })
  return planSchema.parse(said)
}

/** A valid plan that leaves out what is the same by default. */
export function planOf({ root, resource, fetched, server, ownAuthority, hadoop, deadlineMs }: PlanFacts): PlanInput {
  const caFile = ownAuthority ? { caFile: `${planDirectory}/ca.crt` } : {}
  const staged = resource === undefined ? [] : [{ resource, secretFile: `${planDirectory}/secret`, to: '.' }]
  const plan: PlanInput = {
    version: 1,
    root,
    ...(resource === undefined ? {} : { staging: { url: server, ...caFile } }),
    items: [...staged, ...fetched],
    ...(hadoop === undefined ? {} : { hadoop }),
    ...(deadlineMs === undefined ? {} : { limits: { deadlineMs } }),
  }
  planSchema.parse(plan)
  return plan
}

/** Whether one of these is read by Hadoop's rules and settings. */
export function readsHadoop(fetched: PlanFacts['fetched']): boolean {
  return fetched.some(({ uri }) => /^(hdfs|webhdfs|swebhdfs|s3|s3a|s3n):/i.test(uri))
}

/** The plan names keys, or addresses that carry one: then it is kept where secrets are. */
export function planIsSecret({ hadoop, items }: PlanInput): boolean {
  const properties = Object.keys(hadoop?.properties ?? {}).length > 0
  return properties || items.some((item) => 'uri' in item && /\?|\/\/[^/]*@/.test(item.uri))
}

function hadoopSettings(submission: Submission): Plan['hadoop'] {
  const properties = hadoopProperties(submission.configuration)
  return {
    ...(hadoopConfigMap(submission) === undefined ? {} : { confDirectory: planHadoopDirectory }),
    ...(Object.keys(properties).length === 0 ? {} : { properties }),
    ...(tokenSecret(submission.configuration) === undefined ? {} : { tokenFile: `${planTokenDirectory}/token` }),
  }
}

export function hadoopProperties(configuration: Configuration): Record<string, string> {
  return Object.fromEntries(configuration.behind('spark.hadoop.'))
}
