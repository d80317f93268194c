/** The command that is run and the files that it reads, from all that is known by then. Pure. */
import { join } from 'node:path'
import type { KubeObject } from '@supercargo/kube'
import { propertiesText } from '../properties-text.ts'
import type { Staged } from '../submission.ts'
import { rewrite } from './command-line.ts'
import { type PodTemplate, renderPods } from './pods.ts'
import type { WrappedCommand } from './prepare.ts'
import { type DriverHere, settingsOf } from './settings.ts'

export interface Known {
  readonly staged: Staged | undefined
  /** The capability URL of the resource, as the pods reach it. */
  readonly capability: string | undefined
  readonly here: DriverHere | undefined
  readonly gate: boolean
}

export interface Composed {
  readonly words: readonly string[]
  /** In the command's own directory. */
  readonly files: readonly { readonly path: string; readonly text: string }[]
  /** From the paths of the pods to the files of this machine. */
  readonly links: readonly { readonly path: string; readonly target: string }[]
  readonly objects: readonly KubeObject[]
}

export function compose(command: WrappedCommand, known: Known): Composed {
  const { configuration, plan, work, directory } = command
  const submission = { ...command.submission, staged: known.staged }
  const { application } = submission
  const pods = renderPods({ submission, manner: plan.manner, gate: known.gate })
  const files = {
    driverTemplate: join(work, 'driver.json'),
    executorTemplate: join(work, 'executor.json'),
    properties: join(work, 'spark.properties'),
  }
  const { capability, here } = known
  const { unsaid, context } = command
  const asked = { plan, pods, configuration, application, directory, files, capability, here, unsaid, context }
  const { rewriting, hidden } = settingsOf(asked)
  return {
    words: rewrite(command.line, rewriting),
    files: [
      ...templateFile(pods.driver, files.driverTemplate),
      ...templateFile(pods.executor, files.executorTemplate),
      ...(hidden.size === 0
        ? []
        : [{ path: files.properties, text: propertiesText(new Map([...configuration.fromFiles(), ...hidden])) }]),
    ],
    links: plan.manner === 'client' ? [...plan.places].map(([target, path]) => ({ path, target })) : [],
    objects: pods.objects,
  }
}

/** JSON is YAML. */
function templateFile(template: PodTemplate | undefined, path: string): { path: string; text: string }[] {
  return template === undefined ? [] : [{ path, text: `${JSON.stringify(template.manifest, undefined, 1)}\n` }]
}
