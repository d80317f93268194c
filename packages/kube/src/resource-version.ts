/** resourceVersions as evidence: numbers that only grow, so that a list older than one already seen is recognised. */

/** The newest version seen in each domain of versions, for one cluster. Plain data: the collector keeps it across restarts. */
export type SeenVersions = Readonly<Record<string, string>>

/**
 * Kinds whose versions come from one counter. Kubernetes' own kinds share an etcd; a group that an aggregated API server
 * or another etcd may serve counts for itself, so that it cannot make the others look old.
 */
export function versionDomain(apiVersion: string): string {
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
  return group === '' || group === 'apps' || group === 'batch' ? 'kubernetes' : group
}

/** A version as a number, or undefined when it is not one: 0 and the empty string mean "any", which is no evidence. */
export function parseVersion(version: string): bigint | undefined {
  return /^[1-9][0-9]{0,19}$/.test(version) ? BigInt(version) : undefined
}

/** True when `version` is older than what has been seen. */
export function isOlder(version: string, seen: string | undefined): boolean {
  return seen !== undefined && BigInt(version) < BigInt(seen)
}

/** The newer of both for each domain. */
export function mergeVersions(first: SeenVersions, second: SeenVersions): SeenVersions {
  const merged: Record<string, string> = { ...first }
  for (const [domain, version] of Object.entries(second)) {
    if (!isOlder(version, merged[domain])) merged[domain] = version
  }
  return merged
}
