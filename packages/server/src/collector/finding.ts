/** How the owners of a resource became known where its uploader could not name them, for `explain`. Pure. */
import { formatDuration } from '@supercargo/protocol'
import type { ResourceRecord } from '../store/store.ts'

/** Undefined where the uploader named them. */
export function findingOf({ door, owners, maxAgeMs }: ResourceRecord): string | undefined {
  if (door !== 'webhdfs') return undefined
  if (maxAgeMs !== undefined)
    return `nobody is known to use it, so its age decides: it is kept until it was not read for ${formatDuration(maxAgeMs)}`
  if (owners.some(({ uid }) => uid !== undefined)) return 'its owner is the driver that read it'
  return 'its owner is named by the claim in its path'
}
