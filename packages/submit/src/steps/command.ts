/** What the driver's container runs: Spark's entry point for drivers, the class, the application and its arguments. */
import { setContainerField } from '../spec.ts'
import { propertiesPath } from './properties.ts'
import type { Step } from './step.ts'

const runners = { python: 'org.apache.spark.deploy.PythonRunner', r: 'org.apache.spark.deploy.RRunner' }

export const command: Step = {
  name: "the driver's arguments",
  apply: (spec, { plan, proxyUser, applicationArguments }) => {
    const mainClass = plan.language === 'java' ? plan.mainClass! : runners[plan.language]
    const args = [
      'driver',
      ...(proxyUser === undefined ? [] : ['--proxy-user', proxyUser]),
      '--properties-file',
      propertiesPath,
      '--class',
      mainClass,
      plan.application,
      ...applicationArguments,
    ]
    return setContainerField(spec, 'driver', 'args', args.map(literal))
  },
}

/** Kubernetes replaces `$(NAME)` in arguments, and `$$` by `$`; nobody who types an application's argument means that. */
function literal(argument: string): string {
  return argument.replaceAll('$', '$$$$')
}
