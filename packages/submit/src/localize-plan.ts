/** The plan for the init-container, from the plan of the submission. */
import { type Plan, planSchema } from '@supercargo/protocol'
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
const noResource = '0'.repeat(26)
const hadoopSchemes = /^(hdfs|webhdfs|swebhdfs|s3|s3a|s3n):/i

export function localizePlan(submission: Submission): Plan {
  const { plan, staged, inputs, localizer } = submission
  const { server } = localizer
  return planSchema.parse({
    version: 1,
    root: plan.root,
    ...(plan.staged.length === 0
      ? {}
      : {
          staging: { url: server, ...(inputs.stagingCa === undefined ? {} : { caFile: `${planDirectory}/ca.crt` }) },
        }),
    items: [
      ...(plan.staged.length === 0
        ? []
        : [{ resource: staged?.resourceId ?? noResource, secretFile: `${planDirectory}/secret`, to: '.' }]),
      ...plan.fetched,
    ],
    ...(plan.fetched.some(({ uri }) => hadoopSchemes.test(uri)) ? { hadoop: hadoopSettings(submission) } : {}),
    ...(localizer.deadlineMs === undefined ? {} : { limits: { deadlineMs: localizer.deadlineMs } }),
  })
}

/** The plan names keys, or addresses that carry one: then it is kept where secrets are. */
export function planIsSecret({ hadoop, items }: Plan): boolean {
  const properties = Object.keys(hadoop?.properties ?? {}).length > 0
  return properties || items.some((item) => 'uri' in item && /\?|\/\/[^/]*@/.test(item.uri))
}

function hadoopSettings(submission: Submission): object {
  const properties = hadoopProperties(submission.configuration)
  return {
    ...(hadoopConfigMap(submission) === undefined ? {} : { confDirectory: planHadoopDirectory }),
    ...(Object.keys(properties).length === 0 ? {} : { properties }),
    ...(tokenSecret(submission.configuration) === undefined ? {} : { tokenFile: `${planTokenDirectory}/token` }),
  }
}

function hadoopProperties(configuration: Configuration): Record<string, string> {
  return Object.fromEntries(configuration.behind('spark.hadoop.'))
}
