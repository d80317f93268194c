/** `supercargo wrap -- COMMAND …`: runs the user's own Spark with what its pods need, and ends as it does. */
import { tmpdir } from 'node:os'
import {
  type Composed,
  Configuration,
  prepareWrap,
  preview,
  readSubmitArguments,
  shellLine,
  startCommand,
  type WrappedCommand,
  wrap as wrapCommand,
} from '@supercargo/submit'
import type { Command } from './commands.ts'
import { withClient } from './connect.ts'
import { helpOf } from './help.ts'
import type { Invocation, Run } from './invocation.ts'
import type { Io } from './io.ts'
import { ProgressLine } from './progress.ts'
import { Settings, usageError } from './settings.ts'
import { connectionOf, ownOptionsOf } from './submit-request.ts'
import { version } from './version.ts'

const userAgent = `supercargo/${version}`

export const wrap: Run = async ({ argv, command, io }) => {
  const call = readCall(argv, command, io)
  if (call === undefined) {
    io.stdout(helpOf(command))
    return 0
  }
  const { settings, words } = call
  const progress = new ProgressLine(io, settings.on('quiet'))
  const note = (text: string): void => progress.note(text)
  const own = ownOptionsOf({ settings, configuration: Configuration.of({}) })
  const prepared = await prepareWrap({
    words,
    own,
    master: settings.text('master'),
    deployMode: settings.text('deploy-mode'),
    context: settings.text('context'),
    environment: io.env,
    directory: process.cwd(),
    temporary: tmpdir(),
    connect: (configuration) => connectionOf({ settings, configuration }, io.env, true),
    nowMs: io.clock.now(),
  })
  const kubeconfig = settings.text('kubeconfig')
  const environment = kubeconfig === undefined ? io.env : { ...io.env, KUBECONFIG: kubeconfig }
  const forward = io.forwardSignals ?? (() => () => undefined)
  if (prepared.kind === 'untouched') {
    if (prepared.why !== undefined) note(prepared.why)
    if (settings.on('print')) return show(io, { words: prepared.words })
    return await (await startCommand(prepared.words, environment, forward)).ended
  }
  const gate = !settings.on('no-gate')
  if (settings.on('print')) {
    const composed = await preview(prepared, { environment, gate, note, userAgent }, io.signal)
    for (const line of whatItNeeds(prepared, composed)) note(line)
    return show(io, composed)
  }
  try {
    const asked = { command: prepared, gate, environment, forward, userAgent, clock: io.clock, note }
    return await withClient(
      settings,
      (staging) => wrapCommand({ ...asked, staging, onProgress: progress.update }, io.signal),
      note,
      { caFile: own.caFile, ...(prepared.server === '' ? {} : { server: prepared.server }) },
    )
  } finally {
    progress.clear()
  }
}

interface WrapCall {
  readonly settings: Settings
  /** The command and its arguments. */
  readonly words: readonly string[]
}

/** Our options end at `--`, or at the first word that is none of them. Undefined when help was asked for. */
function readCall(argv: readonly string[], command: Command, io: Io): WrapCall | undefined {
  const dashes = argv.indexOf('--')
  const head = dashes < 0 ? argv : argv.slice(0, dashes)
  const help = { name: 'help', short: 'h' }
  const { given, application, applicationArguments } = readSubmitArguments(head, [...command.options, help], 'wrap')
  if (given.has('help')) return undefined
  const rest = dashes < 0 ? [] : argv.slice(application === undefined ? dashes + 1 : dashes)
  const words = [...(application === undefined ? [] : [application]), ...applicationArguments, ...rest]
  if (words.length === 0)
    throw usageError('wrap needs a command', 'write supercargo wrap -- spark-submit …; see supercargo wrap --help')
  return { settings: Settings.from(command.options, given, io.env), words }
}

function show(io: Invocation['io'], { words }: Pick<Composed, 'words'>): number {
  io.stdout(`${shellLine(words)}\n`)
  return 0
}

function whatItNeeds({ plan }: WrappedCommand, { files, links, objects }: Composed): string[] {
  return [
    ...plan.staged.map(({ path, as }) => `stages ${path} as ${as}`),
    ...objects.map(({ kind, metadata }) => `creates ${kind} ${metadata.namespace}/${metadata.name}`),
    ...files.map(({ path }) => `writes ${path}`),
    ...links.map(({ path, target }) => `links ${path} to ${target}`),
  ]
}
