/** The cluster's identity: the uid of its `kube-system` namespace, which lives as long as the cluster. */
import { SupercargoError } from '@supercargo/protocol'
import { z } from 'zod'
import type { ApiClient } from './api-client.ts'

const namespaceSchema = z.object({ metadata: z.object({ name: z.literal('kube-system'), uid: z.string().min(1) }) })
const defaultDeadlineMs = 10_000

/** Needs the right to `get` this one namespace. Rejects with our kinds. */
export async function readClusterUid(
  client: ApiClient,
  deadlineMs: number | undefined,
  signal: AbortSignal,
): Promise<string> {
  const what = "read the cluster's identity"
  const path = '/api/v1/namespaces/kube-system'
  const answer = await client.request({ what, path, deadlineMs: deadlineMs ?? defaultDeadlineMs }, signal)
  const namespace = namespaceSchema.safeParse(answer.json())
  if (namespace.success) return namespace.data.metadata.uid
  throw new SupercargoError('corrupt', 'kube-bad-answer', `${what}: the answer is not the namespace kube-system`)
}
