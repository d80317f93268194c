/** `supercargo inject`: a manifest in, a manifest out, or applied. */
import { randomBytes } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { ApiClient } from '@supercargo/kube'
import { formatBytes, parseDuration } from '@supercargo/protocol'
import {
  checkInitImage,
  checkRoot,
  checkServers,
  type DependencyEntry,
  type InjectResult,
  inject as injectManifest,
  ownKeys,
  type PreparedInjection,
  prepareInjection,
  readConfiguration,
  rootDefault,
  showInjection,
  splitList,
} from '@supercargo/submit'
import { fromFileSystemError } from '@supercargo/transfer'
import { withClient } from './connect.ts'
import type { Invocation, Run } from './invocation.ts'
import type { Io } from './io.ts'
import { ProgressLine } from './progress.ts'
import { type Settings, usageError } from './settings.ts'
import { connectionOf, type SubmitCall } from './submit-request.ts'
import { version } from './version.ts'

const lists = [
  ['jars', 'jars'],
  ['files', 'files'],
  ['py-files', 'pyFiles'],
  ['archives', 'archives'],
] as const

export const inject: Run = async (invocation) => {
  const { settings, io } = invocation
  const [apply, dryRun] = [settings.on('apply'), settings.on('dry-run')]
  const call = await readCall(invocation)
  const text = await readManifest(settings, io)
  const connection = await connectionOf(call, io.env, !apply || dryRun)
  const namespace = settings.text('namespace') ?? connection?.namespace ?? 'default'
  const { prepared, server, caFile } = await prepare(invocation, call, text, namespace)
  if (dryRun) {
    io.stdout(showInjection(prepared))
    return 0
  }
  const output = settings.text('output')
  const target = output === undefined ? undefined : await openOutput(output)
  const client = connection && new ApiClient(connection, { userAgent: `supercargo/${version}` })
  const progress = new ProgressLine(io, settings.on('quiet'))
  const note = (line: string): void => progress.note(line)
  try {
    const result = await withClient(
      settings,
      (staging) =>
        injectManifest(
          prepared,
          {
            staging,
            client,
            apply,
            force: settings.on('force-conflicts'),
            note,
            onProgress: progress.update,
          },
          io.signal,
        ),
      note,
      { caFile, ...(server === undefined ? {} : { server }) },
    )
    await target?.commit(result.manifest)
    for (const line of summary(result, apply)) note(line)
    print(io, settings, result, apply || output !== undefined)
  } finally {
    progress.clear()
    await client?.close()
    await target?.discard()
  }
  return 0
}

async function readCall({ settings, io }: Invocation): Promise<SubmitCall> {
  const given = new Map([['conf', settings.list('conf')]])
  const args = { given, application: undefined, applicationArguments: [] }
  return { args, settings, configuration: await readConfiguration(args, io.env) }
}

async function readManifest(settings: Settings, io: Io): Promise<string> {
  const file = settings.text('file')
  if (file === undefined) throw usageError('inject needs a manifest', 'write -f FILE, or -f - for what is piped in')
  if (file === '-') return (await io.stdin?.()) ?? ''
  return readFile(file, 'utf8').catch((error: unknown) => {
    throw fromFileSystemError(error, `cannot read the manifest ${file}`)
  })
}

interface Ready {
  readonly prepared: PreparedInjection
  readonly server: string | undefined
  readonly caFile: string | undefined
}

async function prepare(
  { settings }: Invocation,
  { configuration }: SubmitCall,
  text: string,
  namespace: string,
): Promise<Ready> {
  const own = (option: string, key: string) => settings.text(option) ?? configuration.text(key)
  const server = own('server', ownKeys.server)
  const podServer = own('pod-server', ownKeys.podServer) ?? server ?? ''
  const caFile = own('ca-file', ownKeys.caFile)
  const image = own('init-image', ownKeys.initImage)
  const deadline = configuration.text(ownKeys.deadline)
  const file = settings.text('file')!
  const authority = caFile === undefined ? undefined : await readAuthority(caFile)
  const root = checkRoot(own('root', ownKeys.root) ?? rootDefault)
  checkInitImage(image)
  const prepared = await prepareInjection({
    text,
    file: file === '-' ? 'the manifest' : file,
    directory: process.cwd(),
    dependencies: dependenciesOf(settings),
    only: settings.list('only'),
    container: settings.text('container'),
    root,
    configuration,
    localizer: {
      image,
      pullPolicy: configuration.text('spark.kubernetes.container.image.pullPolicy') ?? 'IfNotPresent',
      server: podServer,
      deadlineMs: deadline === undefined ? undefined : parseDuration(deadline),
    },
    authority,
    namespace,
  })
  if (prepared.plan.staged.length > 0) checkServers(server, podServer)
  return { prepared, server, caFile }
}

function dependenciesOf(settings: Settings): DependencyEntry[] {
  return lists.flatMap(([option, role]) =>
    splitList(settings.text(option) ?? '').map((text) => ({ role, text, said: `--${option}` })),
  )
}

function readAuthority(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    throw fromFileSystemError(error, `cannot read ${file}`)
  })
}

interface Output {
  commit(text: string): Promise<void>
  /** Removes what was not committed. */
  discard(): Promise<void>
}

/** The place is there before anything is staged, and the file is whole or not there. It holds a Secret: for its owner alone. */
async function openOutput(file: string): Promise<Output> {
  const partial = `${file}.${randomBytes(4).toString('hex')}.partial`
  const fail = (error: unknown): never => {
    throw fromFileSystemError(error, `cannot write ${file}`)
  }
  const handle = await open(partial, 'wx', 0o600).catch(fail)
  return {
    commit: async (text) => {
      await handle.writeFile(text).catch(fail)
      await handle.sync().catch(fail)
      await rename(partial, file).catch(fail)
    },
    discard: async () => {
      await handle.close()
      await rm(partial, { force: true })
    },
  }
}

function summary({ workloads, resourceId, sentBytes }: InjectResult, applied: boolean): string[] {
  const owners = workloads.map(({ kind, namespace, name }) => `${kind} ${namespace}/${name}`).join(', ')
  if (resourceId === undefined) return []
  const staged =
    sentBytes === undefined
      ? 'nothing has changed: nothing was staged'
      : `staged ${resourceId}, sent ${formatBytes(sentBytes)}`
  return [
    `${staged}; it is kept for ${owners}`,
    ...(applied ? [] : ['the manifest holds a Secret: keep it as such, and apply it within half an hour']),
  ]
}

function print(io: Io, settings: Settings, result: InjectResult, isElsewhere: boolean): void {
  const { manifest, workloads, resourceId, sentBytes } = result
  if (settings.on('json')) {
    const facts = {
      resourceId: resourceId ?? null,
      staged: sentBytes !== undefined,
      sentBytes: sentBytes ?? 0,
      workloads,
    }
    io.stdout(`${JSON.stringify(isElsewhere ? facts : { ...facts, manifest })}\n`)
  } else if (!isElsewhere) io.stdout(manifest)
}
