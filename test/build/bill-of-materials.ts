/** What the bundle is made of, as CycloneDX: what npm knows of the lock file, less what did not get in, and Node itself. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

interface Component {
  readonly 'bom-ref': string
  readonly name: string
  readonly version: string
}

interface Bill {
  readonly metadata: { readonly component: object }
  readonly components: readonly Component[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

const outputBytesMax = 64 * 2 ** 20

/** `inputs` are the files that were bundled, relative to the repository. The same sources give the same bill, anywhere and at any time. */
export async function billOfMaterials(repository: string, inputs: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('npm', ['sbom', '--sbom-format=cyclonedx', '--package-lock-only'], {
    cwd: repository,
    maxBuffer: outputBytesMax,
  })
  // A number and a time of its own would make each build another one; so would the name of this folder.
  const { serialNumber, ...bill } = JSON.parse(stdout) as Bill & { readonly serialNumber: string }
  const own = { ...bill.metadata.component, name: 'supercargo' }
  const bundled = await packagesOf(repository, inputs)
  const node = await nodeComponent(repository)
  const components = bill.components.filter(({ name, version }) => bundled.has(`${name}@${version}`))
  const named = new Set(components.map(({ name, version }) => `${name}@${version}`))
  const missing = [...bundled].filter((each) => !named.has(each))
  if (missing.length > 0) throw new Error(`npm sbom does not know what was bundled: ${missing.join(', ')}`)
  const known = new Set(components.map((component) => component['bom-ref']))
  const dependencies = bill.dependencies
    .filter(({ ref }) => known.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((each) => known.has(each)) }))
  const metadata = { component: own }
  return `${JSON.stringify({ ...bill, metadata, components: [...components, node], dependencies }, undefined, 1)}\n`
}

/** `name@version` of every library of which a file was bundled. */
async function packagesOf(repository: string, inputs: readonly string[]): Promise<ReadonlySet<string>> {
  const folders = new Set(inputs.flatMap((input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []))
  const found = await Promise.all([...folders].map((folder) => manifest(join(repository, folder))))
  return new Set(found.map(({ name, version }) => `${name}@${version}`))
}

async function nodeComponent(repository: string): Promise<object> {
  const { version } = await manifest(join(repository, 'node_modules', 'node'))
  const purl = `pkg:github/nodejs/node@v${version}`
  return { 'bom-ref': purl, type: 'platform', name: 'node', version, purl, licenses: [{ license: { id: 'MIT' } }] }
}

async function manifest(folder: string): Promise<{ readonly name: string; readonly version: string }> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { name: string; version: string }
}
