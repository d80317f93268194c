/** versitygw, an S3 server over a plain folder, built from the Go module proxy. */
import { join } from 'node:path'
import { goBuild } from '../go-build.ts'
import type { Missing, Progress } from '../service.ts'
import { findProgram, missingGo } from '../toolchain.ts'

export interface S3Assets {
  readonly program: string
}

/** The version that `build/` pins. */
export const versitygwVersion = 'v1.8.0'

const buildDiskBytes = 1_500_000_000

export async function missingS3(): Promise<readonly Missing[]> {
  return findProgram('versitygw') === undefined ? await missingGo() : []
}

export async function provisionS3(progress: Progress): Promise<S3Assets> {
  const installed = findProgram('versitygw')
  if (installed !== undefined) return { program: installed }
  const directory = await goBuild(
    {
      name: 'versitygw',
      takes: `${versitygwVersion}, about a minute and a half on two cores`,
      diskBytes: buildDiskBytes,
      programs: [
        {
          module: join(import.meta.dirname, 'build', 'versitygw'),
          packages: ['github.com/versity/versitygw/cmd/versitygw'],
        },
      ],
    },
    progress,
  )
  return { program: join(directory, 'versitygw') }
}
