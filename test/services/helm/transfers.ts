/** Uploads and downloads by our client, and runs of the localizer, that go on until they are told to stop, and what became of each. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient, type StagedResource, type StagingClientOptions } from '@supercargo/client'
import { localize, readPlan } from '@supercargo/localizer'
import { FaultyProxy } from '../../faults/faulty-proxy.ts'

export interface Transfers {
  /** What was acknowledged, with the digest of its file. */
  readonly staged: readonly { readonly resource: StagedResource; readonly sha256: string }[]
  readonly failures: readonly unknown[]
  /** Tries that failed and were made again by the client. */
  readonly retries: number
  readonly downloads: number
  readonly localized: number
  stop(): Promise<void>
}

export interface TransferOptions extends StagingClientOptions {
  readonly server: URL
  readonly directory: string
  readonly namespace: string
}

const fileBytes = 300_000
const pauseMs = 150
/** One upload is slow enough to be under way from the beginning to the end. */
const slowBytes = 17 * 2 ** 20
const slowBytesPerSecond = 600_000

export async function startTransfers(options: TransferOptions): Promise<Transfers> {
  const staged: { resource: StagedResource; sha256: string }[] = []
  const failures: unknown[] = []
  const stopping = new AbortController()
  const counts = { retries: 0, downloads: 0, localized: 0 }
  const clientFor = (server: URL | string) => createClient({ ...options, server, onRetry: () => void counts.retries++ })
  const client = clientFor(options.server)
  const proxy = await FaultyProxy.listen(options.server, () => ({ bytesPerSecond: slowBytesPerSecond }))
  const slow = clientFor(proxy.url)
  const owner = { namespace: options.namespace, apiVersion: 'v1', kind: 'Pod', name: 'driver' }

  const upload = async (by: typeof client, name: string, bytes: number): Promise<void> => {
    const folder = join(options.directory, name)
    await mkdir(folder, { recursive: true })
    const content = randomBytes(bytes)
    await writeFile(join(folder, 'app.jar'), content)
    const resource = await by.stage({ owner, files: [{ path: folder }] })
    staged.push({ resource, sha256: createHash('sha256').update(content).digest('hex') })
    await rm(folder, { recursive: true })
  }
  const forever = async (work: (round: number) => Promise<void>): Promise<void> => {
    for (let round = 0; !stopping.signal.aborted; round++) {
      await work(round).catch((error: unknown) => failures.push(error))
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
  await upload(client, 'first', fileBytes)
  const loops = [
    upload(slow, 'slow', slowBytes).catch((error: unknown) => failures.push(error)),
    ...['a', 'b'].map((name) => forever((round) => upload(client, `${name}-${round}`, fileBytes))),
    forever(async (round) => {
      const { resource, sha256 } = staged[round % staged.length]!
      await fetchAndCompare(client, resource, sha256, join(options.directory, 'fetched'))
      counts.downloads++
    }),
    forever(async (round) => {
      const { resource, sha256 } = staged[round % staged.length]!
      await localizeAndCompare(options.server, resource, sha256, join(options.directory, 'localized'))
      counts.localized++
    }),
  ]
  return {
    staged,
    failures,
    get retries() {
      return counts.retries
    },
    get downloads() {
      return counts.downloads
    },
    get localized() {
      return counts.localized
    },
    async stop() {
      stopping.abort()
      await Promise.all(loops)
      for (const each of [client, slow]) each.close()
      await proxy.close()
    },
  }
}

/** Into a directory that is empty before and after. */
export async function fetchAndCompare(
  client: Pick<ReturnType<typeof createClient>, 'fetch'>,
  { resourceId, resourceSecret: secret, files }: StagedResource,
  sha256: string,
  to: string,
): Promise<void> {
  await client.fetch({ resourceId, secret, to })
  await compare(join(to, files[0]!.path), sha256)
  await rm(to, { recursive: true })
}

/** As an init container does, with the limits that a plan has when it says none. */
async function localizeAndCompare(
  server: URL,
  { resourceId, resourceSecret, files }: StagedResource,
  sha256: string,
  directory: string,
): Promise<void> {
  const [root, secretFile, file] = ['root', 'secret', 'plan.json'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ]
  await mkdir(directory)
  await writeFile(secretFile, resourceSecret.reveal(), { mode: 0o600 })
  const items = [{ resource: resourceId, secretFile, to: '.' }]
  await writeFile(file, JSON.stringify({ version: 1, root, staging: { url: server.href }, items }))
  await localize(await readPlan(file, {}))
  await compare(join(root, files[0]!.path), sha256)
  await rm(directory, { recursive: true })
}

async function compare(file: string, sha256: string): Promise<void> {
  const found = createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
  if (found !== sha256) throw new Error(`${file} has other bytes than were staged`)
}
