/** The edit of a manifest, once it is known what was staged: every workload with its pods, its annotation and its objects. Pure. */
import type { Secret } from '@supercargo/protocol'
import { noResource, type PlanInput, planHadoopDirectory, planOf, readsHadoop } from '../localize-plan.ts'
import { mounted, type PlanContents, planVolume } from '../plan-objects.ts'
import type { LocalizerSettings } from '../submission.ts'
import type { InjectionPlan, WorkloadPlan } from './injection-plan.ts'
import { type ManifestDocument, rewritten } from './manifest.ts'
import { annotate, objectName, ownDocuments, planDocuments } from './own-documents.ts'
import { clearSparkTemplate, editPodTemplate, editSparkTemplate, type PodParts } from './pod-template.ts'
import { type Replaced, rewriteApplication, sparkContainer, templatePath } from './spark-application.ts'

export interface InjectionFacts {
  readonly plan: InjectionPlan
  readonly root: string
  /** The one container that sees the files. */
  readonly container: string | undefined
  readonly localizer: LocalizerSettings
  readonly authority: string | undefined
  /** For what the init-container reads by Hadoop's rules. */
  readonly hadoop: { readonly properties: Readonly<Record<string, string>>; readonly configMap: string | undefined }
  /** For a person to read: nothing is staged, and no secret is shown. */
  readonly dryRun: boolean
  /** Undefined in a dry run, and when there is nothing to stage. */
  readonly staged: { readonly resourceId: string; readonly secret: Secret } | undefined
  /** Where the files of the resource are by plain GET; ends in a slash. */
  readonly capability: string | undefined
}

/** The documents of the stream, with those of the workloads changed and ours before them. */
export function editManifest(documents: readonly ManifestDocument[], facts: InjectionFacts): ManifestDocument[] {
  return facts.plan.workloads.reduce<ManifestDocument[]>(
    (stream, workloadPlan) => {
      const { workload } = workloadPlan
      const before = new Set(ownDocuments(stream, workload))
      const own = editWorkload(workloadPlan, facts)
      return stream
        .filter((document) => !before.has(document))
        .flatMap((document) => (document === workload.document ? [...own, rewritten(document)] : [document]))
    },
    [...documents],
  )
}

function editWorkload(workloadPlan: WorkloadPlan, facts: InjectionFacts): ManifestDocument[] {
  const { workload, rewriting } = workloadPlan
  const { form, document } = workload
  const contents: PlanContents = {
    plan: localizePlanOf(workloadPlan, facts),
    secret: facts.staged?.secret,
    authority: facts.authority,
  }
  const name = objectName(workload, contents)
  const parts = podParts(contents, name, facts)
  const isEmpty = contents.plan.items.length === 0
  let replaced: Replaced = {}
  if (form === 'pods') editPodTemplate(document, workload.path, parts, facts.container)
  else {
    replaced = rewriteApplication(workload, rewriting(facts.capability ?? ''))
    for (const role of ['driver', 'executor'] as const) {
      const [path, container] = [templatePath(workload, role), sparkContainer(workload, role)]
      // What Spark reads by itself needs no init-container, and the application is the driver's alone.
      const localizes = !isEmpty && (role === 'driver' || workloadPlan.jarsInPlace)
      if (localizes) editSparkTemplate(document, path, parts, container)
      else clearSparkTemplate(document, path, container)
    }
  }
  const resource = facts.plan.staged.length === 0 ? undefined : (facts.staged?.resourceId ?? noResource)
  annotate(workload, { resource, secret: resource === undefined ? undefined : name, replaced })
  if (isEmpty) return []
  return planDocuments(workload, contents, facts.capability, facts.dryRun)
}

function localizePlanOf({ fetched }: WorkloadPlan, facts: InjectionFacts): PlanInput {
  const { hadoop, plan, staged } = facts
  const settings = {
    ...(hadoop.configMap === undefined ? {} : { confDirectory: planHadoopDirectory }),
    ...(Object.keys(hadoop.properties).length === 0 ? {} : { properties: { ...hadoop.properties } }),
  }
  const reads = readsHadoop(fetched)
  return planOf({
    ...facts.localizer,
    root: facts.root,
    fetched,
    resource: plan.staged.length === 0 ? undefined : (staged?.resourceId ?? noResource),
    ownAuthority: facts.authority !== undefined,
    hadoop: reads && Object.keys(settings).length > 0 ? settings : undefined,
  })
}

function podParts(contents: PlanContents, name: string, { localizer, root, hadoop }: InjectionFacts): PodParts {
  const volumes = [planVolume(contents, { map: name, secret: name })]
  if (contents.plan.hadoop?.confDirectory !== undefined && hadoop.configMap !== undefined)
    volumes.push(mounted({ name: 'supercargo-hadoop', configMap: { name: hadoop.configMap } }, planHadoopDirectory))
  return {
    image: localizer.image,
    pullPolicy: localizer.pullPolicy,
    root,
    mounts: volumes.map(({ mount }) => mount),
    volumes: volumes.map(({ volume }) => volume),
  }
}
