/** The breaker: a sweep that would condemn too much condemns nothing, because then it is the evidence that is wrong. */

export interface BreakerSettings {
  readonly breakerCount: number
  /** Of the resources whose owner was seen and that are not condemned. */
  readonly breakerFraction: number
}

/** Why a sweep that would condemn `due` of `bound` resources must stop, or undefined. */
export function breakerTrips(due: number, bound: number, settings: BreakerSettings): string | undefined {
  const limit = Math.max(settings.breakerCount, Math.floor(bound * settings.breakerFraction))
  if (due <= limit) return undefined
  return `a sweep would condemn ${due} of ${bound} bound resources, more than ${limit}`
}
