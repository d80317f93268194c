/** Why a service cannot be had in this run: what this machine lacks, or that it was never built and this run may not build. */
import { SupercargoError } from '@supercargo/protocol'
import { type ServiceName, serviceNamed } from './catalog.ts'
import type { Missing } from './service.ts'
import { servicesWanted } from './wanted.ts'

const lookTimeoutMs = 60_000

/** Empty when the service can be started. Looks and changes nothing. */
export async function reasonsAgainst(name: ServiceName): Promise<readonly Missing[]> {
  const missing = await serviceNamed(name).missing()
  if (missing.length > 0 || servicesWanted() === 'built' || (await isProvisioned(name))) return missing
  return [
    { what: 'its build', install: 'npm run services -- provision builds them, once, in about a quarter of an hour.' },
  ]
}

/** Whether everything that it needs is in the cache or on this machine. */
export async function isProvisioned(name: ServiceName): Promise<boolean> {
  const look = { signal: AbortSignal.timeout(lookTimeoutMs), say: () => undefined, cachedOnly: true }
  try {
    await serviceNamed(name).provision(look)
    return true
  } catch (cause) {
    if (SupercargoError.is(cause) && cause.code === 'not-provisioned') return false
    throw cause
  }
}
