/** Images without a builder or a registry: layers are plain tar files, a few JSON documents make them an OCI image layout. */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { link, mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface Image {
  /** As a pod names it, with a tag. */
  readonly name: string
  /** Tar files, lowest first, not compressed. They are linked, so they must be on the same disk. */
  readonly layers: readonly string[]
  readonly config: {
    readonly entrypoint?: readonly string[]
    /** What follows the entry point when a pod gives no arguments of its own. */
    readonly arguments?: readonly string[]
    readonly env?: readonly string[]
    readonly labels?: Readonly<Record<string, string>>
    readonly ports?: readonly number[]
    readonly user?: string
    readonly workingDirectory?: string
  }
}

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

const types = {
  layer: 'application/vnd.oci.image.layer.v1.tar',
  config: 'application/vnd.oci.image.config.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
} as const

/** Makes the directory an OCI image layout; a tar of the directory is what container runtimes import. */
export async function writeImages(directory: string, images: readonly Image[]): Promise<void> {
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true })
  const manifests: object[] = []
  for (const image of images) manifests.push(await writeImage(directory, image))
  await writeFile(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
  await writeFile(join(directory, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
}

async function writeImage(directory: string, image: Image): Promise<object> {
  const layers: Descriptor[] = []
  for (const layer of image.layers) layers.push(await linkLayer(directory, layer))
  const { entrypoint, env, labels, ports, user, workingDirectory } = image.config
  const exposed = ports === undefined ? undefined : Object.fromEntries(ports.map((port) => [`${port}/tcp`, {}]))
  const config = await writeBlob(directory, types.config, {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    config: {
      Entrypoint: entrypoint,
      Cmd: image.config.arguments,
      Env: env,
      Labels: labels,
      ExposedPorts: exposed,
      User: user,
      WorkingDir: workingDirectory,
    },
    // Of a layer that is not compressed, the digest of its content is its own.
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
  })
  const manifest = await writeBlob(directory, types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config,
    layers,
  })
  const annotations = {
    'io.containerd.image.name': image.name,
    'org.opencontainers.image.ref.name': image.name.split(':').at(-1),
  }
  return { ...manifest, annotations }
}

async function linkLayer(directory: string, file: string): Promise<Descriptor> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  const digest = hash.digest('hex')
  const blob = join(directory, 'blobs', 'sha256', digest)
  if (!existsSync(blob)) await link(file, blob)
  return { mediaType: types.layer, digest: `sha256:${digest}`, size: (await stat(file)).size }
}

async function writeBlob(directory: string, mediaType: string, value: unknown): Promise<Descriptor> {
  const text = JSON.stringify(value)
  const digest = createHash('sha256').update(text).digest('hex')
  await writeFile(join(directory, 'blobs', 'sha256', digest), text)
  return { mediaType, digest: `sha256:${digest}`, size: Buffer.byteLength(text) }
}
