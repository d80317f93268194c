/** `supercargo status`, `logs` and `kill`: drivers that are there, whoever submitted them. */
import type { Pod } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import {
  type ClusterCall,
  Configuration,
  connectCluster,
  copyLog,
  describeDriver,
  describeExecutors,
  driverContainer,
  findDriver,
  findDrivers,
  killDriver,
  listDrivers,
  readDriverName,
  withCluster,
} from '@supercargo/submit'
import type { Invocation, Run } from './invocation.ts'
import { usageError } from './settings.ts'
import { table } from './table.ts'
import { version } from './version.ts'

export const status: Run = async (invocation) => {
  const { io, settings, positionals } = invocation
  return inCluster(invocation, async ({ client, namespace }, name) => {
    if (positionals.length === 0) {
      const rows = (await listDrivers(client, namespace, io.signal)).map(describeDriver)
      if (settings.on('json')) io.stdout(`${JSON.stringify(rows)}\n`)
      else
        io.stdout(
          table(
            ['DRIVER', 'APPLICATION', 'STARTED', 'STATE'],
            rows.map(({ pod, application, startedAt, state }) => [pod, application, startedAt ?? '-', state]),
            [],
          ),
        )
      return 0
    }
    const pods = await findDrivers(client, namespace, name, io.signal)
    for (const pod of pods) {
      const row = describeDriver(pod)
      const executors = await describeExecutors(client, pod, io.signal)
      if (settings.on('json')) {
        io.stdout(`${JSON.stringify({ ...row, executors: executors ?? null })}\n`)
        continue
      }
      const lines = [
        `driver       ${row.namespace}:${row.pod}`,
        `application  ${row.application} (${row.id})`,
        `started      ${row.startedAt ?? 'not yet'}`,
        `state        ${row.state}`,
        ...(executors === undefined ? [] : [`executors    ${executors}`]),
      ]
      io.stdout(`${lines.join('\n')}\n`)
    }
    return 0
  })
}

export const logs: Run = async (invocation) => {
  const { io, settings } = invocation
  const tail = settings.text('tail')
  if (tail !== undefined && !/^\d{1,9}$/.test(tail)) throw usageError(`--tail ${tail} is no number of lines`)
  return inCluster(invocation, async ({ client, namespace }, name) => {
    const pod = await findDriver(client, namespace, name, io.signal)
    const container = settings.text('container') ?? driverContainer(pod)
    const request = {
      client,
      namespace,
      pod: pod.metadata.name,
      container,
      follow: settings.on('follow'),
      tail: tail === undefined ? undefined : Number(tail),
      clock: io.clock,
      write: io.stdout,
    }
    await copyLog(request, io.signal)
    return 0
  })
}

export const kill: Run = async (invocation) => {
  const { io, settings } = invocation
  return inCluster(invocation, async ({ client, namespace }, name) => {
    const pods = await findDrivers(client, namespace, name, io.signal)
    if (pods.length > 1 && !name.endsWith('*')) throw ambiguous(name, pods)
    for (const pod of pods) {
      const removed = await killDriver(client, pod, io.signal)
      const driver = `${namespace}:${pod.metadata.name}`
      if (settings.on('json')) io.stdout(`${JSON.stringify({ driver, removed })}\n`)
      else if (!settings.on('quiet')) io.stderr(`${driver} ${removed ? 'was removed' : 'was gone already'}\n`)
    }
    return 0
  })
}

/** The namespace is that of the option, of the name, of the context. */
function inCluster(
  { io, settings, positionals }: Invocation,
  work: (call: ClusterCall, name: string) => Promise<number>,
): Promise<number> {
  const { namespace, name } = readDriverName(positionals[0] ?? '')
  const master = settings.text('master')
  const configuration = Configuration.of(master === undefined ? {} : { 'spark.master': master })
  const kubeconfig = settings.text('kubeconfig')
  const context = settings.text('context')
  return connectCluster({ configuration, environment: io.env, kubeconfig, context }).then((connection) =>
    withCluster(
      connection,
      { namespace: settings.text('namespace') ?? namespace, userAgent: `supercargo/${version}` },
      (call) => work(call, name),
    ),
  )
}

function ambiguous(name: string, pods: readonly Pod[]): SupercargoError {
  return new SupercargoError('conflict', 'ambiguous-driver', `${name} is the name of ${pods.length} drivers`, {
    hint: `name one of them: ${pods
      .slice(0, 5)
      .map(({ metadata }) => metadata.name)
      .join(', ')}`,
  })
}
