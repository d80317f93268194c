/** The flow of a wrapped command: stage, write what Spark reads, run it, and take back what nobody needs any more. */
import { ApiClient } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import { lookAround, runHere } from './client-mode.ts'
import { runInCluster } from './cluster-mode.ts'
import { type Composed, compose } from './compose.ts'
import type { WrappedCommand } from './prepare.ts'
import type { WrapRequest } from './request.ts'

/** The exit code: the command's, but the driver's where the command waits for one and does not tell. */
export async function wrap(request: WrapRequest, signal: AbortSignal): Promise<number> {
  const { connection } = request.command
  if (connection === undefined)
    throw new SupercargoError('invalid', 'no-cluster', 'no cluster is to be found', {
      hint: 'set KUBECONFIG or --kubeconfig; --distribution driver needs none',
    })
  // What a step refuses is refused before a byte is sent.
  compose(request.command, { staged: undefined, capability: undefined, here: undefined, gate: request.gate })
  const client = new ApiClient(connection, { userAgent: request.userAgent })
  try {
    return request.command.plan.manner === 'cluster'
      ? await runInCluster(request, client, signal)
      : await runHere(request, client, signal)
  } finally {
    await client.close()
  }
}

/** What `wrap` would run. Looks at the cluster where there is one, and changes nothing. */
export async function preview(
  command: WrappedCommand,
  { environment, gate, note, userAgent }: Pick<WrapRequest, 'environment' | 'gate' | 'note' | 'userAgent'>,
  signal: AbortSignal,
): Promise<Composed> {
  const client = command.connection === undefined ? undefined : new ApiClient(command.connection, { userAgent })
  try {
    const own =
      client === undefined || command.plan.manner === 'cluster'
        ? undefined
        : await lookAround(command, { client, environment, note, make: false }, signal)
    return compose(command, { staged: undefined, capability: '[capability]/', here: own?.here, gate })
  } finally {
    await client?.close()
  }
}
