/** `supercargo doctor`: what would fail, and what to do about it. */
import { toSupercargoError } from '@supercargo/protocol'
import { examine, type Finding, fault, type Prepared, prepare, probe, render, withCluster } from '@supercargo/submit'
import { proxiesOf, trustContext } from '@supercargo/transfer'
import type { Invocation, Run } from './invocation.ts'
import type { Io } from './io.ts'
import { printError } from './print-error.ts'
import { exitCodeOf, interruptedExitCode } from './settings.ts'
import { connectionOf, ownOptionsOf, readCall, type SubmitCall } from './submit-request.ts'
import { version } from './version.ts'

const marks: Readonly<Record<Finding['verdict'], string>> = {
  good: 'ok     ',
  bad: 'FAULT  ',
  warning: 'warning',
  unknown: '?      ',
}

/** Ends with 1 when something would fail. */
export const doctor: Run = async (invocation) => {
  const { io } = invocation
  let call: SubmitCall | undefined
  try {
    call = await readCall(invocation)
    if (call === undefined) return 0
    const findings = await look(invocation, call)
    if (call.settings.on('json')) io.stdout(`${JSON.stringify(findings)}\n`)
    else io.stdout(findings.map(lineOf).join(''))
    return findings.some(({ verdict }) => verdict === 'bad') ? 1 : 0
  } catch (cause) {
    const error = toSupercargoError(cause)
    printError(io, error, { json: call?.settings.on('json') ?? invocation.argv.includes('--json'), debug: false })
    return io.signal.aborted ? interruptedExitCode : exitCodeOf(error)
  }
}

async function look({ io }: Invocation, call: SubmitCall): Promise<readonly Finding[]> {
  const { settings, configuration } = call
  const own = ownOptionsOf(call)
  const connection = await connectionOf(call, io.env, false)
  const prepared = await prepareIfNamed(io, call, connection?.namespace)
  const namespace = own.namespace ?? configuration.text('spark.kubernetes.namespace')
  return withCluster(connection!, { namespace, userAgent: `supercargo/${version}` }, async (cluster) => {
    const trust = trustContext(own.caFile === undefined ? [] : [own.caFile])
    const server = own.server ?? configuration.text('spark.supercargo.server')
    const podServer = own.podServer ?? configuration.text('spark.supercargo.podServer')
    const request = {
      ...cluster,
      configuration,
      server,
      podServer,
      initImage: own.initImage,
      trust,
      proxyFor: proxiesOf(io.env),
    }
    const found = [...prepared.findings, ...(await examine(request, io.signal))]
    if (!settings.on('probe')) return found
    const submission = prepared.prepared?.submission
    const imagePaths = [...(submission?.plan.jars ?? []), submission?.plan.application ?? '']
      .filter((uri) => uri.startsWith('local:') && submission?.plan.root !== undefined)
      .map((uri) => uri.replace(/^local:(\/\/)?/, ''))
      .filter((path) => !path.startsWith(`${submission!.plan.root}/`))
    const asked = {
      ...cluster,
      podServer: podServer ?? server,
      initImage: own.initImage,
      sparkImage: configuration.text('spark.kubernetes.container.image'),
      imagePaths: [...new Set(imagePaths)],
      pullPolicy: configuration.text('spark.kubernetes.container.image.pullPolicy') ?? 'IfNotPresent',
      nowMs: io.clock.now(),
    }
    return [...found, ...(await probe(asked, io.signal))]
  })
}

/** With an application on the command line, everything that submit would refuse is a finding. */
async function prepareIfNamed(
  io: Io,
  call: SubmitCall,
  contextNamespace: string | undefined,
): Promise<{ readonly prepared?: Prepared; readonly findings: readonly Finding[] }> {
  const { args, configuration } = call
  if (args.application === undefined) return { findings: [] }
  try {
    const own = ownOptionsOf(call)
    const request = { args, own, environment: io.env, directory: process.cwd(), configuration }
    const prepared = await prepare({
      ...request,
      contextNamespace: async () => contextNamespace,
      nowMs: io.clock.now(),
    })
    render(prepared.submission)
    return { prepared, findings: [{ verdict: 'good', says: `${args.application} can be submitted as it is written` }] }
  } catch (error) {
    return { findings: [fault(toSupercargoError(error))] }
  }
}

function lineOf({ verdict, says, hint }: Finding): string {
  return `${marks[verdict]}  ${says}\n${hint === undefined ? '' : `         ${hint}\n`}`
}
