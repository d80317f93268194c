/** The port that every test service implements: what it needs, where it comes from, how it starts, what it then answers to. */
import type { Site } from './site.ts'

/** What a started service tells its users: addresses, paths, test credentials. Crosses processes as JSON. */
export type Details = Readonly<Record<string, string>>

/** Something that this machine lacks. */
export interface Missing {
  /** What is missing, and what was found instead, if anything. */
  readonly what: string
  /** What the user can do about it, one sentence. */
  readonly install: string
}

/** What a long step tells and hears. */
export interface Progress {
  /** One line for a person, at the start and the end of whatever takes long. */
  say(line: string): void
  readonly signal: AbortSignal
  /** What is in the cache is used, nothing is fetched or built: what is not there rejects with the code `not-provisioned`. */
  readonly cachedOnly?: boolean
}

/**
 * A real service. `missing` looks and changes nothing. `provision` gets or builds everything into the cache, once: it may be
 * called at any time, by any number of processes, and resolves at once when all is there. `start` may be called any
 * number of times; each call makes an instance of its own, on free loopback ports, inside `site.directory`, and resolves when
 * the instance answers. Everything that `start` does outside that directory goes through `site`, which knows how to undo it:
 * when `start` rejects, and when the instance is stopped, by whichever process, nothing of it is left.
 */
export interface Service<D extends Details = Details, Assets = unknown> {
  readonly name: string
  /** One line for `doctor`. */
  readonly summary: string
  /** What is real in it, with versions, for the table at the end of a run. */
  readonly versions: string
  missing(): Promise<readonly Missing[]>
  provision(progress: Progress): Promise<Assets>
  start(site: Site, assets: Assets): Promise<D>
  /** What a shell exports to use the instance. */
  exports(details: NoInfer<D>): Readonly<Record<string, string>>
}

export function defineService<D extends Details, Assets>(service: Service<D, Assets>): Service<D, Assets> {
  return service
}
