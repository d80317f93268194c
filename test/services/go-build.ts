/** Programs from the Go module proxy: a module of ours pins versions and sums, the ordinary go command gets and builds them. */
import { readdirSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fromCache } from './cache.ts'
import { command } from './command.ts'
import { goToolchain } from './go-toolchain.ts'
import type { Progress } from './service.ts'
import { findProgram } from './toolchain.ts'

export interface GoProgram {
  /** A folder with `go.mod` and `go.sum`, and a `main.go` where the program cannot be built as it comes. */
  readonly module: string
  /** Import paths of the programs, or `.` for the module's own. */
  readonly packages: readonly string[]
  readonly linkerFlags?: string
  /** Files of a module that are kept beside the programs, by their paths in it. */
  readonly files?: { readonly of: string; readonly paths: readonly string[] }
}

export interface GoRecipe {
  readonly name: string
  readonly takes: string
  readonly diskBytes: number
  readonly programs: readonly GoProgram[]
}

/** The folder of the built programs, each named like the last part of its import path. */
export async function goBuild(recipe: GoRecipe, progress: Progress): Promise<string> {
  const key = [
    '1',
    ...recipe.programs.flatMap((program) => [
      ...program.packages,
      program.linkerFlags ?? '',
      ...(program.files?.paths ?? []),
      ...sources(program.module),
    ]),
  ]
  return fromCache(
    {
      name: recipe.name,
      key,
      takes: recipe.takes,
      diskBytes: recipe.diskBytes,
      build: async (directory, { signal, logFile }) => {
        const go = await goToolchain(progress)
        for (const program of recipe.programs) {
          const flags = ['-ldflags', `-s -w ${program.linkerFlags ?? ''}`, '-o', `${directory}/`]
          const options = {
            cwd: program.module,
            env: { ...go.env, CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '-mod=readonly -trimpath -buildvcs=false' },
            site: directory,
            signal,
          }
          await command([...kindly(), go.program, 'build', ...flags, ...program.packages], { ...options, logFile })
          if (program.files === undefined) continue
          const where = [go.program, 'list', '-m', '-f', '{{.Dir}}', program.files.of]
          const source = (await command(where, options)).trim()
          for (const path of program.files.paths)
            await writeFile(join(directory, basename(path)), await readFile(join(source, path)))
        }
      },
    },
    progress,
  )
}

/** Ten minutes of two cores are for what nobody else needs. */
function kindly(): string[] {
  return findProgram('nice') === undefined ? [] : ['nice', '-n', '19']
}

function sources(module: string): string[] {
  const files = readdirSync(module).filter((name) => /^go\.(mod|sum)$|\.go$/.test(name))
  return files.sort().map((name) => `${name}\n${readFileSync(join(module, name), 'utf8')}`)
}
