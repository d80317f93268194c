/** Reads the manifest and looks at the files: what is wrong with either is said before anything is staged. */
import { type Owner, ownersSchema, parseWith, SupercargoError } from '@supercargo/protocol'
import type { Configuration } from '../configuration.ts'
import type { DependencyEntry } from '../dependency.ts'
import type { LocalizerSettings } from '../submission.ts'
import { surveyEntries } from '../survey.ts'
import { type InjectionPlan, planInjection } from './injection-plan.ts'
import { type ManifestDocument, readManifest } from './manifest.ts'
import { annotationOf, injectedBefore } from './own-documents.ts'
import { localEntries, restore } from './spark-application.ts'
import { findWorkloads, shownWorkload, type Workload } from './workload.ts'

export interface InjectRequest {
  readonly text: string
  /** For messages. */
  readonly file: string
  /** Where relative paths begin. */
  readonly directory: string
  readonly dependencies: readonly DependencyEntry[]
  /** `KIND/NAME`, when not all workloads of the manifest are meant. */
  readonly only: readonly string[]
  readonly container: string | undefined
  readonly root: string
  readonly configuration: Configuration
  readonly localizer: LocalizerSettings
  readonly authority: string | undefined
  /** Of workloads that name none. */
  readonly namespace: string
}

export interface PreparedInjection {
  readonly request: InjectRequest
  readonly documents: readonly ManifestDocument[]
  readonly workloads: readonly Workload[]
  readonly plan: InjectionPlan
  /** What the files are kept for: the workloads themselves, which live longer than what they make. */
  readonly owners: readonly Owner[]
}

export async function prepareInjection(request: InjectRequest): Promise<PreparedInjection> {
  const documents = readManifest(request.text, request.file)
  const workloads = findWorkloads(documents, request.only)
  if (new Set(workloads.map(({ namespace }) => namespace ?? request.namespace)).size > 1)
    throw new SupercargoError('invalid', 'several-namespaces', 'the workloads are in several namespaces', {
      hint: 'files belong to one namespace: write a manifest for each, or choose with --only KIND/NAME',
    })
  for (const workload of workloads) restore(workload, injectedBefore(annotationOf(workload))?.replaced ?? {})
  const [given, ...own] = await Promise.all(
    [request.dependencies, ...workloads.map(ownEntries)].map((entries) => surveyEntries(entries, request.directory)),
  )
  const plan = planInjection(
    given!,
    workloads.map((workload, index) => ({ workload, entries: own[index]! })),
    request.root,
  )
  if (plan.staged.length === 0 && plan.workloads.every(({ fetched }) => fetched.length === 0))
    throw new SupercargoError('invalid', 'nothing-to-inject', 'there is no file to bring to the pods', {
      hint: 'name some with --jars, --files, --py-files or --archives',
    })
  const named = workloads.map(({ apiVersion, kind, name, namespace = request.namespace }) => ({
    namespace,
    apiVersion,
    kind,
    name,
  }))
  const owners = parseWith(ownersSchema, named, 'the workloads of the manifest')
  return { request, documents, workloads, plan, owners }
}

function ownEntries(workload: Workload): DependencyEntry[] {
  if (workload.form === 'pods') return []
  const entries = localEntries(workload)
  const [main, second] = entries.filter(({ role }) => role === 'main')
  if (main !== undefined && second !== undefined)
    throw new SupercargoError('invalid', 'two-applications', `${shownWorkload(workload)} names two applications`, {
      hint: `it is ${main.text} or ${second.text}; the others belong to spark.jars`,
    })
  return entries
}
