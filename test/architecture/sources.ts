/** The repository's files, for rules about them. */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const repository = resolve(import.meta.dirname, '..', '..')

export function packageNames(): string[] {
  return readdirSync(join(repository, 'packages'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
}

/** Files that git tracks or would track, as absolute paths. */
export function repositoryFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: repository,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  return listed
    .split('\0')
    .filter((path) => path !== '')
    .map((path) => join(repository, path))
}

export function sourceFiles(folder: string): string[] {
  const root = join(repository, folder)
  return repositoryFiles().filter((file) => file.startsWith(`${root}/`) && /\.(ts|js)$/.test(file))
}
