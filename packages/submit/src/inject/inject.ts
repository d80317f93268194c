/** The flow of an injection: find what was staged before, stage, edit, apply. Every effect is in here or in what it calls by name. */
import type { ApiClient, StoredObject } from '@supercargo/kube'
import { type Owner, SupercargoError } from '@supercargo/protocol'
import { hadoopProperties } from '../localize-plan.ts'
import { applyManifest } from './apply-manifest.ts'
import { findEarlier } from './earlier.ts'
import { editManifest, type InjectionFacts } from './edit.ts'
import { writeManifest } from './manifest.ts'
import type { PreparedInjection } from './prepare-injection.ts'
import { bindFiles, releaseFiles, type StagedFiles, type StagingEffects, stageFiles } from './staged-files.ts'
import { shownWorkload, type Workload } from './workload.ts'

export interface InjectEffects extends StagingEffects {
  /** Undefined where there is no cluster to ask. */
  readonly client: ApiClient | undefined
  /** Take fields over from whoever else manages them. */
  readonly force: boolean
}

export interface InjectResult {
  readonly manifest: string
  /** The workloads; with their uids once they are applied. */
  readonly workloads: readonly Owner[]
  readonly resourceId: string | undefined
  /** Bytes that the server lacked; undefined when nothing was staged because nothing had changed. */
  readonly sentBytes: number | undefined
}

/** The manifest as it would be, for a person to read: nothing is staged, and no secret is in it. */
export function showInjection(prepared: PreparedInjection): string {
  const base = `${prepared.request.localizer.server.replace(/\/$/, '')}/c/[secret]/`
  return writeManifest(editManifest(prepared.documents, factsOf(prepared, undefined, base, true)))
}

export async function inject(
  prepared: PreparedInjection,
  effects: InjectEffects,
  signal: AbortSignal,
): Promise<InjectResult> {
  const { request, documents, workloads } = prepared
  const { namespace } = request
  const { client, apply, force, note } = effects
  const earlier = await findEarlier({ documents, workloads, namespace, client, applies: apply }, signal)
  const staged = await stageFiles(prepared, effects, earlier, signal)
  try {
    const edited = editManifest(documents, factsOf(prepared, staged, staged?.capability, false))
    let owners = prepared.owners
    if (apply && client !== undefined) {
      const applied = await applyManifest({ client, documents: edited, workloads, namespace, force, note }, signal)
      owners = withUids(owners, applied)
      if (staged !== undefined) await bindFiles(staged, owners, effects, signal)
    }
    const { resourceId, sentBytes } = staged ?? {}
    return { manifest: writeManifest(edited), workloads: owners, resourceId, sentBytes }
  } catch (error) {
    if (staged?.sentBytes !== undefined && isUnused(error, workloads)) await releaseFiles(staged, effects)
    throw error
  }
}

/** A refusal has made nothing; after anything else a workload may be there, and then its name keeps what it needs. */
function isUnused(error: unknown, workloads: readonly Workload[]): boolean {
  if (!SupercargoError.is(error)) return true
  const applied = (error.context.applied as readonly string[] | undefined) ?? []
  const refused = ['denied', 'invalid', 'notFound', 'conflict', 'tooLarge'].includes(error.kind)
  return refused && !workloads.some((workload) => applied.includes(shownWorkload(workload)))
}

function withUids(owners: readonly Owner[], applied: readonly StoredObject[]): Owner[] {
  return owners.map((owner, index) => {
    const uid = applied[index]?.metadata.uid
    return uid === undefined ? owner : { ...owner, uid }
  })
}

function factsOf(
  { request, plan }: PreparedInjection,
  staged: StagedFiles | undefined,
  capability: string | undefined,
  dryRun: boolean,
): InjectionFacts {
  const { root, container, localizer, authority, configuration } = request
  const configMap = configuration.text('spark.kubernetes.hadoop.configMapName')
  const hadoop = { properties: hadoopProperties(configuration), configMap }
  return { plan, root, container, localizer, authority, hadoop, dryRun, staged, capability }
}
