/** A browser without a window, and a font for it, from Debian. */
import { delimiter, join } from 'node:path'
import { debianTree, libraryFolder, missingApt } from '../debian-packages.ts'
import type { Missing, Progress } from '../service.ts'

export interface ChromiumAssets {
  readonly program: string
  readonly env: Readonly<Record<string, string>>
  /** Holds fonts, for a machine that has none. */
  readonly fonts: string
}

const diskBytes = 500_000_000

export async function missingChromium(): Promise<readonly Missing[]> {
  return missingApt()
}

export async function provisionChromium(progress: Progress): Promise<ChromiumAssets> {
  const packages = ['chromium-headless-shell', 'fonts-dejavu-core']
  const { directory, env } = await debianTree('chromium', packages, diskBytes, progress)
  return {
    program: join(directory, 'usr/lib/chromium/chromium-headless-shell'),
    // One library has its parts in a folder of their own, which an installation would find.
    env: {
      ...env,
      LD_LIBRARY_PATH: `${env.LD_LIBRARY_PATH}${delimiter}${join(directory, libraryFolder, 'pulseaudio')}`,
    },
    fonts: join(directory, 'usr/share/fonts'),
  }
}
