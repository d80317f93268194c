/** What a test run may do about real services: get and build them, use those that were built before, or leave them alone. */

export type ServicesWanted = 'built' | 'cached' | 'none'

/**
 * `SUPERCARGO_TEST_SERVICES=1`, or CI: all of them, built if need be. `0`: none. Otherwise a test run surprises nobody with a
 * quarter of an hour of building: what is in the cache is started, the rest is left out with a line that says how to get it.
 */
export function servicesWanted(env: Readonly<NodeJS.ProcessEnv> = process.env): ServicesWanted {
  const said = env.SUPERCARGO_TEST_SERVICES
  if (said === '1') return 'built'
  if (said === '0') return 'none'
  if (env.CI === 'true') return 'built'
  return process.platform === 'linux' ? 'cached' : 'none'
}
