/** Spark's lists of dependencies, as the pods see them. */
import type { Configuration } from '../configuration.ts'
import { type Spec, setProperty } from '../spec.ts'
import type { Submission } from '../submission.ts'
import type { Step } from './step.ts'

export const avoidKey = 'spark.kubernetes.jars.avoidDownloadSchemes'

export const dependencies: Step = {
  name: 'the dependencies',
  apply: (spec, submission) => {
    const { plan, configuration } = submission
    const lists: readonly (readonly [string, readonly string[]])[] = [
      ['spark.jars', plan.jars],
      ['spark.files', plan.files],
      ['spark.submit.pyFiles', plan.pyFiles],
      ['spark.archives', plan.archives],
    ]
    const listed = lists
      .filter(([, uris]) => uris.length > 0)
      .reduce((each, [key, uris]) => setProperty(each, key, uris.join(',')), spec)
    // The user of Spark's images has no home, where Ivy would keep what it fetches.
    const packages =
      configuration.text('spark.jars.packages') !== undefined && configuration.text('spark.jars.ivy') === undefined
        ? setProperty(listed, 'spark.jars.ivy', '/tmp/.ivy2')
        : listed
    return avoidDownload(packages, submission)
  },
}

/** Where executors have their own jars, the driver must not serve them. Spark 3.5 ignores it and does so by itself. */
function avoidDownload(spec: Spec, { plan, configuration }: Submission): Spec {
  if (plan.distribution !== 'direct' || !plan.jars.some((uri) => uri.startsWith('local:'))) return spec
  return setProperty(spec, avoidKey, avoidedSchemes(configuration))
}

/** The user's schemes, and `local`. */
export function avoidedSchemes(configuration: Configuration): string {
  const given = (configuration.text(avoidKey) ?? '').split(',').map((scheme) => scheme.trim())
  return [...new Set([...given.filter((scheme) => scheme !== ''), 'local'])].join(',')
}
