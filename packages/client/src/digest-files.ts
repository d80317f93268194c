/** What a resource of these files would hold: names, sizes and digests, as staging would send them. */
import type { StagedFile } from '@supercargo/protocol'
import { hashFiles } from './hash-files.ts'
import { type OnProgress, ProgressMeter } from './progress.ts'
import { type LocalPath, walk } from './walk.ts'

export interface DigestRequest {
  readonly files: readonly LocalPath[]
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: OnProgress | undefined
}

export async function digestFiles({ files, signal, onProgress }: DigestRequest): Promise<StagedFile[]> {
  const hashed = await hashFiles(walk(files, signal), new ProgressMeter('hashing', 0, onProgress), signal)
  return hashed.map(({ path, sizeBytes, digest }) => ({ path, sizeBytes, digest }))
}
