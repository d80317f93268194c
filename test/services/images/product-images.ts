/** Our own images as their Dockerfiles say, without a builder or a registry: the last stage becomes a layer and a configuration. */
import { readFileSync } from 'node:fs'
import { chmod, cp, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { SupercargoError } from '@supercargo/protocol'
import { fromCache } from '../cache.ts'
import { command } from '../command.ts'
import { importImage } from '../kubernetes-node/runtime.ts'
import { copyLibraries } from '../linked-libraries.ts'
import { type Image, writeImages } from '../oci-layout.ts'
import type { Progress } from '../service.ts'
import { type BuildContext, readContext, runStage } from './build-stage.ts'
import { type Instruction, parseDockerfile, type Stage } from './dockerfile.ts'

export const repository = resolve(import.meta.dirname, '..', '..', '..')
export const productVersion = (
  JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { readonly version: string }
).version
/** As if they came from a registry of this name. */
export const registry = 'localhost'
export const serverImage = `${registry}/supercargo/server:${productVersion}`
export const initImage = `${registry}/supercargo/init:${productVersion}`

const dockerfiles: readonly (readonly [file: string, image: string])[] = [
  ['Dockerfile.server', serverImage],
  ['Dockerfile.init', initImage],
]
/** The base of both: the C and C++ libraries, a user without rights, and nothing that can be run. */
const base = 'gcr.io/distroless/cc-debian12'
const diskBytes = 1_500_000_000

/** Gives both images, built from the sources as they are, to a node; pods then name `serverImage` and `initImage`. */
export async function importProductImages(importCommand: string, progress: Progress): Promise<void> {
  await importImage(JSON.parse(importCommand) as string[], await productImages(progress), progress.signal)
}

/** The layout that holds both images. */
export async function productImages(progress: Progress): Promise<string> {
  const context = await readContext(repository)
  const texts = await dockerfileTexts()
  return fromCache(
    {
      name: 'product-images',
      key: ['2', serverImage, context.digest, ...texts],
      takes: 'npm ci and a build, under a minute',
      diskBytes,
      followsSources: true,
      build: (directory, work) => buildImages(directory, context, texts, work),
    },
    progress,
  )
}

export function dockerfileTexts(): Promise<string[]> {
  return Promise.all(dockerfiles.map(([file]) => readFile(join(repository, file), 'utf8')))
}

/** Both images from nothing: makes the directory their layout. */
export async function buildImages(
  directory: string,
  context: BuildContext,
  texts: readonly string[],
  { signal, logFile }: { readonly signal: AbortSignal; readonly logFile: string },
): Promise<void> {
  const work = { signal, logFile, site: directory }
  const stages = new Map<string, string>()
  const images: Image[] = []
  for (const [index, [file, name]] of dockerfiles.entries()) {
    const { building, last } = twoStages(file, texts[index]!)
    const key = JSON.stringify(building)
    if (!stages.has(key)) {
      stages.set(key, join(directory, `stage-${index}`))
      await runStage(building, context, stages.get(key)!, work)
    }
    images.push(await lastStage(join(directory, `image-${index}`), name, last, building.name, stages.get(key)!))
  }
  await writeImages(directory, images)
  for (const used of [...stages.values(), ...images.map((image) => dirname(image.layers[0]!))])
    await rm(used, { recursive: true })
}

function twoStages(file: string, text: string): { building: Stage; last: Stage } {
  const [building, last, ...more] = parseDockerfile(text)
  if (building?.name === undefined || last?.base !== base || more.length > 0)
    throw new SupercargoError('invalid', 'dockerfile-form', `${file} is not one stage that builds and one on ${base}`)
  return { building, last }
}

/** The same stage and the same files give the same bytes. */
export async function lastStage(
  directory: string,
  name: string,
  stage: Stage,
  sourceName: string | undefined,
  source: string,
): Promise<Image> {
  const root = join(directory, 'root')
  await mkdir(root, { recursive: true })
  for (const step of stage.instructions) {
    if (step.keyword !== 'COPY') continue
    if (step.stage === undefined || step.stage !== sourceName)
      throw new SupercargoError('invalid', 'dockerfile-form', `${step.from} does not come from the building stage`)
    await mkdir(dirname(join(root, step.to)), { recursive: true })
    await cp(join(source, step.from), join(root, step.to), { recursive: true })
    if ((await stat(join(source, step.from))).isFile()) await copyLibraries(join(source, step.from), root)
  }
  // Whoever the pod runs as reads everything, whatever the umask of this machine is.
  await command(['chmod', '-R', 'u=rwX,go=rX', root])
  await baseFolders(root)
  const layer = join(directory, 'layer.tar')
  const always = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner', '--format=gnu']
  await command(['tar', ...always, '-cf', layer, '-C', root, '.'])
  return { name, layers: [layer], config: configuration(stage.instructions) }
}

/** What the base has beside the libraries. */
async function baseFolders(root: string): Promise<void> {
  for (const folder of ['etc', 'tmp']) await mkdir(join(root, folder), { recursive: true, mode: 0o755 })
  await chmod(join(root, 'tmp'), 0o1777)
  const files = {
    passwd: 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n',
    group: 'root:x:0:\nnonroot:x:65532:\n',
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(root, 'etc', name), text, { mode: 0o644 })
}

function configuration(instructions: readonly Instruction[]): Image['config'] {
  const config: { -readonly [Key in keyof Image['config']]: Image['config'][Key] } = {}
  const env = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin']
  for (const step of instructions) {
    if (step.keyword === 'ENTRYPOINT') config.entrypoint = step.words
    else if (step.keyword === 'CMD') config.arguments = step.words
    else if (step.keyword === 'USER') config.user = step.value
    else if (step.keyword === 'WORKDIR') config.workingDirectory = step.value
    else if (step.keyword === 'EXPOSE') config.ports = [...(config.ports ?? []), step.port]
    else if (step.keyword === 'LABEL') config.labels = { ...config.labels, ...step.pairs }
    else if (step.keyword === 'ENV') env.push(...Object.entries(step.pairs).map(([key, value]) => `${key}=${value}`))
    else if (step.keyword === 'RUN')
      throw new SupercargoError('invalid', 'dockerfile-form', 'the last stage runs nothing: its base has no shell')
  }
  return { ...config, env }
}
