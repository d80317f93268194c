/** Bundles the command: the program, the collector's thread, and a chunk for each lazy import; runnable with nothing but Node. */
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { build, type Plugin } from 'esbuild'
import { billOfMaterials } from './bill-of-materials.ts'

const repository = resolve(import.meta.dirname, '..', '..')
const { values } = parseArgs({ options: { out: { type: 'string', default: join(repository, 'dist') } } })
const out = resolve(values.out)

/** The collector starts its thread from a file beside its own; in a bundle that is the thread's bundle. */
const collectorThread: Plugin = {
  name: 'collector-thread',
  setup({ onLoad }) {
    onLoad({ filter: /server\/src\/collector\/collector\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      const contents = source.replace(
        "new URL('./worker.ts', import.meta.url)",
        "new URL('./worker.mjs', import.meta.url)",
      )
      if (contents === source) throw new Error(`${path} does not start its thread as it did`)
      return { contents, loader: 'ts' }
    })
  },
}

/** zod brings its messages in fifty languages, two thirds of its size; ours are in one. */
const oneLanguage: Plugin = {
  name: 'one-language',
  setup({ onLoad }) {
    onLoad({ filter: /zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js'",
      loader: 'js',
    }))
  },
}

/** Names of zod instead of one object that has them all: what nobody uses stays out, 90 KiB and a MiB of every process's memory. */
const zodByName: Plugin = {
  name: 'zod-by-name',
  setup({ onLoad }) {
    onLoad({ filter: /packages\/[^/]+\/src\/.*\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8')
      return { contents: source.replace("import { z } from 'zod'", "import * as z from 'zod'"), loader: 'ts' }
    })
  },
}

await rm(out, { recursive: true, force: true })
await mkdir(out, { recursive: true })
const result = await build({
  absWorkingDir: repository,
  entryPoints: { supercargo: 'packages/cli/src/start.ts', worker: 'packages/server/src/collector/worker.ts' },
  outdir: out,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  // What was not asked for stays on disk: each lazy import becomes a chunk of its own.
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22',
  minify: true,
  legalComments: 'linked',
  metafile: true,
  logLevel: 'warning',
  plugins: [collectorThread, oneLanguage, zodByName],
  // Dependencies in CommonJS call require for Node's own modules.
  banner: {
    js: "import { createRequire as supercargoRequire } from 'node:module'; const require = supercargoRequire(import.meta.url);",
  },
})
const program = join(out, 'supercargo.mjs')
await chmod(program, 0o755)
await writeFile(join(out, 'sbom.cdx.json'), await billOfMaterials(repository, Object.keys(result.metafile.inputs)))
const bytes = Object.values(result.metafile.outputs).reduce((sum, output) => sum + output.bytes, 0)
console.log(`${program}: ${Math.round(bytes / 1024)} KiB in ${Object.keys(result.metafile.outputs).length} files`)
