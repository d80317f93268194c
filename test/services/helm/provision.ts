/** Helm of one version, since what it renders and how it refuses is compared: with the Kubernetes libraries of the clusters here. */
import { join } from 'node:path'
import { goBuild } from '../go-build.ts'
import type { Missing, Progress } from '../service.ts'
import { missingGo } from '../toolchain.ts'
import { provisionDefinitions } from './definitions.ts'

export interface HelmAssets {
  readonly program: string
  /** A folder of definitions for kinds that the chart can make and that Kubernetes does not have. */
  readonly definitions: string
}

/** The version that `build/` pins. */
export const helmVersion = 'v4.2.4'

const buildDiskBytes = 2_000_000_000

export async function missingHelm(): Promise<readonly Missing[]> {
  return await missingGo()
}

export async function provisionHelm(progress: Progress): Promise<HelmAssets> {
  const definitions = await provisionDefinitions(progress)
  const directory = await goBuild(
    {
      name: 'helm',
      takes: `${helmVersion}, about two minutes on two cores`,
      diskBytes: buildDiskBytes,
      programs: [
        {
          module: join(import.meta.dirname, 'build', 'helm'),
          packages: ['helm.sh/helm/v4/cmd/helm'],
          linkerFlags: `-X helm.sh/helm/v4/internal/version.version=${helmVersion}`,
        },
      ],
    },
    progress,
  )
  return { program: join(directory, 'helm'), definitions }
}
