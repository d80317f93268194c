/** The files of a manifest on the staging server: those of an earlier run when nothing has changed, else staged anew. */
import type { OnProgress, StagingClient } from '@supercargo/client'
import { causeChain, type Owner, type Secret } from '@supercargo/protocol'
import { sameAsBefore } from './earlier.ts'
import type { EarlierResource } from './own-documents.ts'
import type { PreparedInjection } from './prepare-injection.ts'

export interface StagedFiles {
  readonly resourceId: string
  readonly secret: Secret
  /** Where the files are by plain GET, as the pods see it; undefined when nobody reads them so. */
  readonly capability: string | undefined
  /** Bytes that the server lacked; undefined when nothing was staged because nothing had changed. */
  readonly sentBytes: number | undefined
  /** Workloads of other manifests that keep them too. */
  readonly otherOwners: readonly Owner[]
}

export interface StagingEffects {
  readonly staging: StagingClient
  /** The owners will be bound by uid. */
  readonly apply: boolean
  readonly note: (text: string) => void
  readonly onProgress: OnProgress
}

/** For what is undone after a failure or an interruption. */
const undoTimeoutMs = 10_000

/** Undefined when nothing is to be staged. When it rejects, nothing new is left. */
export async function stageFiles(
  prepared: PreparedInjection,
  effects: StagingEffects,
  earlier: EarlierResource | undefined,
  signal: AbortSignal,
): Promise<StagedFiles | undefined> {
  const { staging, onProgress, note } = effects
  const { plan, owners } = prepared
  const files = plan.staged
  if (files.length === 0) return undefined
  const there = earlier && (await sameAsBefore({ staging, earlier, files, onProgress }, signal))
  if (earlier !== undefined && there !== undefined) {
    const { resourceId, secret } = earlier
    const otherOwners = there.owner.filter((other) => !owners.some((each) => isSame(each, other)))
    // An owner with a uid is one object; whoever applies a printed manifest may make another of its name.
    const known = (each: Owner) =>
      there.owner.some((other) => isSame(each, other) && (effects.apply || other.uid === undefined))
    if (!owners.every(known))
      await staging.bindOwner({ resourceId, secret, owner: [...otherOwners, ...owners], signal })
    const capability = await capabilityFor(prepared, staging, earlier, signal)
    return { resourceId, secret, capability, sentBytes: undefined, otherOwners }
  }
  const {
    resourceId,
    resourceSecret: secret,
    sentBytes,
  } = await staging.stage({ owner: owners, files, signal, onProgress })
  if (earlier !== undefined)
    note(`the files have changed; what was staged before, ${earlier.resourceId}, stays until the workload goes`)
  try {
    const capability = await capabilityFor(prepared, staging, { resourceId, secret, capability: undefined }, signal)
    return { resourceId, secret, capability, sentBytes, otherOwners: [] }
  } catch (error) {
    await releaseFiles({ resourceId, secret }, effects)
    throw error
  }
}

/** Binds them to the objects that are there now. The name keeps them too, so a failure is only told. */
export async function bindFiles(
  { resourceId, secret, otherOwners }: StagedFiles,
  owners: readonly Owner[],
  { staging, note }: StagingEffects,
  signal: AbortSignal,
): Promise<void> {
  try {
    await staging.bindOwner({ resourceId, secret, owner: [...otherOwners, ...owners], signal })
  } catch (error) {
    note(`the files are kept by the workload's name, not by its uid: ${(error as Error).message}`)
  }
}

/** Best effort: what is not released is collected as unused. */
export async function releaseFiles(
  { resourceId, secret }: Pick<StagedFiles, 'resourceId' | 'secret'>,
  { staging, note }: StagingEffects,
): Promise<void> {
  try {
    await staging.release({ resourceId, secret, signal: AbortSignal.timeout(undoTimeoutMs) })
  } catch (error) {
    note(`the resource ${resourceId} was not released (${causeChain(error)[0]}); it is collected as unused`)
  }
}

/** The one that is there, or a new one. */
async function capabilityFor(
  { plan, request }: PreparedInjection,
  staging: StagingClient,
  { resourceId, secret, capability }: EarlierResource,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!plan.workloads.some(({ readsByUrl }) => readsByUrl)) return undefined
  const url = capability ?? (await staging.createCapability({ resourceId, secret, signal })).url
  return `${request.localizer.server.replace(/\/$/, '')}${url.slice(url.lastIndexOf('/c/'))}`
}

function isSame(one: Owner, other: Owner): boolean {
  return one.kind === other.kind && one.apiVersion === other.apiVersion && one.name === other.name
}
