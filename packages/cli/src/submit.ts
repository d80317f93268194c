/** `supercargo submit`: spark-submit's arguments in, the driver's exit code out. */
import { toSupercargoError } from '@supercargo/protocol'
import {
  type Configuration,
  namesSecret,
  objectsAsYaml,
  type Prepared,
  prepare,
  render,
  type SubmitResult,
  shownObjects,
  submit as submitApplication,
} from '@supercargo/submit'
import { kill, status } from './applications.ts'
import { withClient } from './connect.ts'
import type { Invocation, Run } from './invocation.ts'
import { printError } from './print-error.ts'
import { ProgressLine } from './progress.ts'
import { exitCodeOf, interruptedExitCode, type Settings } from './settings.ts'
import { connectionOf, ownOptionsOf, readCall, type SubmitCall } from './submit-request.ts'
import { version } from './version.ts'

/** Reads its own arguments, so it tells of its own failures too. */
export const submit: Run = async (invocation) => {
  const { io } = invocation
  let call: SubmitCall | undefined
  try {
    call = await readCall(invocation)
    return call === undefined ? 0 : await runCall(invocation, call)
  } catch (cause) {
    const error = toSupercargoError(cause)
    const debug = ['debug', 'trace'].includes(call?.settings.text('log-level') ?? '')
    printError(io, error, { json: call?.settings.on('json') ?? invocation.argv.includes('--json'), debug })
    return io.signal.aborted ? interruptedExitCode : exitCodeOf(error)
  }
}

async function runCall(invocation: Invocation, call: SubmitCall): Promise<number> {
  const { io } = invocation
  const { settings, args, configuration } = call
  for (const [option, run] of [
    ['kill', kill],
    ['status', status],
  ] as const) {
    const id = settings.text(option)
    if (id !== undefined) return await run({ ...invocation, settings, positionals: [id] })
  }
  const dryRun = settings.on('dry-run')
  const own = ownOptionsOf(call)
  const connecting = connectionOf(call, io.env, dryRun)
  // What is wrong with the arguments is said first; a cluster that cannot be found, when it is needed.
  connecting.catch(() => undefined)
  const prepared = await prepare({
    args,
    own,
    environment: io.env,
    directory: process.cwd(),
    contextNamespace: async () => (await connecting)?.namespace,
    configuration,
    nowMs: io.clock.now(),
  })
  const connection = await connecting
  if (settings.on('verbose')) io.stderr(verbose(prepared, configuration))
  if (dryRun || connection === undefined) {
    const rendered = render(prepared.submission)
    io.stdout(settings.on('json') ? `${JSON.stringify(shownObjects(rendered))}\n` : await objectsAsYaml(rendered))
    return 0
  }
  const progress = new ProgressLine(io, settings.on('quiet'))
  const waitApp = configuration.text('spark.kubernetes.submission.waitAppCompletion') !== 'false'
  const wait = settings.on('follow') ? 'follow' : settings.on('no-wait') || !waitApp ? 'none' : 'wait'
  const note = (text: string): void => progress.note(text)
  try {
    const result = await withClient(
      settings,
      (staging) =>
        submitApplication(
          {
            prepared,
            connection,
            staging,
            gate: !settings.on('no-gate'),
            wait,
            interruption: { choice: settings.text('on-interrupt') as 'ask' | 'detach' | 'stop', ask: io.ask },
            userAgent: `supercargo/${version}`,
            clock: io.clock,
            note,
            onProgress: progress.update,
            write: settings.on('json') ? io.stderr : io.stdout,
            onApplied: ({ namespace, driverPod }) => note(`the driver is ${namespace}:${driverPod}`),
          },
          io.signal,
        ),
      note,
      { caFile: own.caFile, ...(prepared.server === '' ? {} : { server: prepared.server }) },
    )
    return conclude(invocation, settings, wait, result, note)
  } finally {
    progress.clear()
  }
}

function conclude(
  { io }: Invocation,
  settings: Settings,
  wait: 'none' | 'wait' | 'follow',
  { application, resourceId, exitCode, reason }: SubmitResult,
  note: (text: string) => void,
): number {
  const { id: applicationId, namespace, driverPod } = application
  const submissionId = `${namespace}:${driverPod}`
  if (settings.on('json')) {
    const facts = { submissionId, applicationId, namespace, driverPod, resourceId: resourceId ?? null }
    io.stdout(`${JSON.stringify(wait === 'none' ? facts : { ...facts, exitCode, reason })}\n`)
  } else if (wait === 'none') io.stdout(`${submissionId}\n`)
  if (wait === 'none') return 0
  note(exitCode === 0 ? 'the driver ended well' : `the driver ended with ${exitCode}${reason}`)
  return exitCode
}

function verbose({ submission }: Prepared, configuration: Configuration): string {
  const { application, plan } = submission
  const settings = configuration.entries().map(([key, value]) => `  ${key}=${namesSecret(key) ? '[secret]' : value}`)
  return [
    `application ${application.name} (${application.id}) in ${application.namespace}`,
    `to stage: ${plan.staged.map(({ path }) => path).join(', ') || 'nothing'}`,
    `to fetch in the pods: ${plan.fetched.map(({ to }) => to).join(', ') || 'nothing'}`,
    'settings:',
    ...settings,
    '',
  ].join('\n')
}
