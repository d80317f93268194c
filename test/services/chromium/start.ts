/** Starts a browser that is driven over its debugging protocol on a loopback port. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Site } from '../site.ts'
import type { ChromiumAssets } from './provision.ts'

export interface ChromiumDetails extends Record<string, string> {
  /** Of its debugging protocol. */
  readonly url: string
}

const readyTimeoutMs = 60_000

export async function startChromium(site: Site, assets: ChromiumAssets): Promise<ChromiumDetails> {
  const port = await site.port('debugging')
  const url = `http://127.0.0.1:${port}`
  const fontsFile = join(site.directory, 'fonts.conf')
  const folders = [assets.fonts, '/usr/share/fonts'].map((folder) => `<dir>${folder}</dir>`).join('')
  await writeFile(
    fontsFile,
    `<?xml version="1.0"?><fontconfig>${folders}<cachedir>${site.folder('fonts')}</cachedir></fontconfig>`,
  )
  const argv = [
    assets.program,
    `--remote-debugging-port=${port}`,
    `--user-data-dir=${site.folder('profile')}`,
    // Its sandbox refuses root; what it opens is ours.
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--disable-background-networking',
    '--no-first-run',
    'about:blank',
  ]
  const env = { ...assets.env, FONTCONFIG_FILE: fontsFile, HOME: site.folder('home') }
  const chromium = await site.spawn({ name: 'chromium', argv, env, graceMs: 3000 })
  await chromium.ready(async (signal) => (await fetch(`${url}/json/version`, { signal })).ok, readyTimeoutMs)
  return { url }
}
