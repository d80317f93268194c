/** Helm is no server: what is started is the program with folders of its own, so that nobody's plug-ins and repositories are used. */
import type { Site } from '../site.ts'
import type { HelmAssets } from './provision.ts'

export interface HelmDetails extends Record<string, string> {
  readonly program: string
  readonly definitions: string
  /** Where it keeps its cache, configuration and data. */
  readonly home: string
}

export async function startHelm(site: Site, { program, definitions }: HelmAssets): Promise<HelmDetails> {
  return { program, definitions, home: site.folder('home') }
}
