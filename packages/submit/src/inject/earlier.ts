/** What an earlier run staged: found in the manifest or in the cluster, and taken again when nothing has changed. */
import { digestFiles, type LocalPath, type OnProgress, type StagingClient } from '@supercargo/client'
import { type ApiClient, builtInPath, readObject, servedKind } from '@supercargo/kube'
import { type Manifest, type StagedFile, SupercargoError } from '@supercargo/protocol'
import type { ManifestDocument } from './manifest.ts'
import {
  annotationOf,
  type EarlierResource,
  earlierIn,
  injectedAnnotation,
  injectedBefore,
  readEarlier,
} from './own-documents.ts'
import type { Workload } from './workload.ts'

export interface EarlierRequest {
  readonly documents: readonly ManifestDocument[]
  readonly workloads: readonly Workload[]
  /** Of workloads that name none. */
  readonly namespace: string
  /** Undefined where there is no cluster to ask. */
  readonly client: ApiClient | undefined
  /** Ask the cluster also for a manifest that was never touched. */
  readonly applies: boolean
}

/** The first that is found; undefined when everything is new. */
export async function findEarlier(request: EarlierRequest, signal: AbortSignal): Promise<EarlierResource | undefined> {
  const { documents, workloads, client } = request
  for (const workload of workloads) {
    const found = earlierIn(documents, workload)
    if (found !== undefined) return found
  }
  if (client === undefined) return undefined
  for (const workload of workloads) {
    const namespace = workload.namespace ?? request.namespace
    const annotation =
      annotationOf(workload) ?? (request.applies ? await inCluster(client, workload, namespace, signal) : undefined)
    const name = injectedBefore(annotation)?.secret
    if (name === undefined) continue
    const place = { path: builtInPath('v1', 'Secret'), namespace, name }
    const found = readEarlier(await unlessForbidden(readObject(client, place, signal)))
    if (found !== undefined) return found
  }
  return undefined
}

export interface SameRequest {
  readonly staging: StagingClient
  readonly earlier: EarlierResource
  readonly files: readonly LocalPath[]
  readonly onProgress: OnProgress
}

/** The manifest of the earlier resource when it is still there with exactly these files. */
export async function sameAsBefore(
  { staging, earlier, files, onProgress }: SameRequest,
  signal: AbortSignal,
): Promise<Manifest | undefined> {
  const { resourceId, secret } = earlier
  const there = await staging.manifest({ resourceId, secret, signal }).catch((error: unknown) => {
    // Collected, or another server's: the two look alike.
    if (SupercargoError.is(error) && (error.kind === 'notFound' || error.kind === 'denied')) return undefined
    throw error
  })
  if (there === undefined) return undefined
  const here = await digestFiles({ files, signal, onProgress })
  return fingerprint(here) === fingerprint(there.files) ? there : undefined
}

function fingerprint(files: readonly StagedFile[]): string {
  return files
    .map(({ path, digest }) => `${digest} ${path}`)
    .sort()
    .join('\n')
}

async function inCluster(
  client: ApiClient,
  { apiVersion, kind, name }: Workload,
  namespace: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { path } = await servedKind(client, { apiVersion, kind }, signal)
  const found = await unlessForbidden(readObject(client, { path, namespace, name }, signal))
  return found?.metadata.annotations?.[injectedAnnotation]
}

/** Who may write but not read stages anew. */
async function unlessForbidden<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if (SupercargoError.is(error) && error.code === 'kube-forbidden') return undefined
    throw error
  }
}
