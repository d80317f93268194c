/** Runs the operator on this machine, beside the cluster that it works for, with a Spark of the tests. */
import { kubectl } from '../kubernetes/kubectl.ts'
import type { KubernetesNodeDetails } from '../kubernetes-node/start.ts'
import type { Site } from '../site.ts'
import type { SparkDetails } from '../spark/start.ts'
import type { OperatorAssets } from './provision.ts'

const readyTimeoutMs = 120_000
/** Where it puts templates of pods, whatever it is told: memory that goes with it. */
const templatesFolder = '/tmp/spark'

/** Its kinds are those of every namespace; no webhook, which templates of pods do not need. */
export async function startOperator(
  site: Site,
  assets: OperatorAssets,
  cluster: KubernetesNodeDetails,
  spark: SparkDetails,
): Promise<void> {
  const files = assets.definitions.flatMap((file) => ['-f', file])
  // Too large for what a client-side apply would note in them.
  await kubectl(cluster, ['create', ...files])
  await kubectl(cluster, ['wait', '--for=condition=Established', '--timeout=60s', ...files])
  const port = await site.port('operator')
  const { hostname, port: apiPort } = new URL(cluster.server)
  site.undo(['rmdir', '--ignore-fail-on-non-empty', templatesFolder])
  const operator = await site.spawn({
    name: 'spark-operator',
    argv: [
      ...['unshare', '--mount', '--propagation', 'private'],
      ...['sh', '-c', 'mkdir -p "$0" && mount -t tmpfs tmpfs "$0" && exec "$@"', templatesFolder],
      ...[assets.program, 'controller', 'start', '--kubeconfig', cluster.kubeconfig],
      ...['--health-probe-bind-address', `127.0.0.1:${port}`, '--enable-ui-service=false'],
    ],
    env: {
      SPARK_HOME: spark.home4,
      JAVA_HOME: spark.javaHome,
      KUBECONFIG: cluster.kubeconfig,
      SPARK_LOCAL_IP: '127.0.0.1',
      // It asks the environment of its pod which cluster this is.
      KUBERNETES_SERVICE_HOST: hostname,
      KUBERNETES_SERVICE_PORT: apiPort,
    },
  })
  await operator.ready(
    async (signal) => (await fetch(`http://127.0.0.1:${port}/readyz`, { signal })).ok,
    readyTimeoutMs,
  )
}
