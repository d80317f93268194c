/** nginx: the one on the PATH, else Debian's. */

import { missingOpenssl } from '../certificates.ts'
import { command } from '../command.ts'
import { debianTree, missingApt } from '../debian-packages.ts'
import type { Missing, Progress } from '../service.ts'
import { findProgram } from '../toolchain.ts'

export interface NginxAssets {
  readonly program: string
  readonly env: Readonly<Record<string, string>>
}

const diskBytes = 50_000_000

export async function missingNginx(): Promise<readonly Missing[]> {
  const present = findProgram('nginx') !== undefined || missingApt().length === 0
  const install = 'Install nginx with its DAV module (Debian: nginx).'
  return [...(present ? [] : [{ what: 'nginx', install }]), ...missingOpenssl()]
}

export async function provisionNginx(progress: Progress): Promise<NginxAssets> {
  const installed = findProgram('nginx')
  if (installed !== undefined && (await hasDav(installed))) return { program: installed, env: {} }
  const tree = await debianTree('nginx', ['nginx'], diskBytes, progress)
  return { program: findProgram('nginx', tree.env.PATH)!, env: tree.env }
}

async function hasDav(program: string): Promise<boolean> {
  // It answers on standard error, with its options in one line.
  return /--with-http_dav_module/.test(await command(['bash', '-c', '"$0" -V 2>&1', program]))
}
