/** The kinds of both operators in a cluster that has neither: only that they are there, and not what the operators make of them. */
import { type KubectlTarget, kubectl } from '../kubernetes/kubectl.ts'

const kinds: readonly (readonly [group: string, version: string, kind: string])[] = [
  ['sparkoperator.k8s.io', 'v1beta2', 'SparkApplication'],
  ['sparkoperator.k8s.io', 'v1beta2', 'ScheduledSparkApplication'],
  ['spark.apache.org', 'v1', 'SparkApplication'],
]
const establishedTimeout = '60s'

/** Several test files may ask for them at the same time. */
export async function defineSparkKinds(cluster: KubectlTarget): Promise<void> {
  const items = kinds.map(([group, version, kind]) => definition(group, version, kind))
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  await kubectl(cluster, ['apply', '--server-side', '--force-conflicts', '-f', '-'], list)
  const names = items.map(({ metadata: { name } }) => `crd/${name}`)
  await kubectl(cluster, ['wait', '--for=condition=Established', `--timeout=${establishedTimeout}`, ...names])
}

function definition(group: string, version: string, kind: string) {
  const plural = `${kind.toLowerCase()}s`
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    // Groups of k8s.io want to be told that this is known.
    metadata: { name: `${plural}.${group}`, annotations: { 'api-approved.kubernetes.io': 'unapproved, for tests' } },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: [{ name: version, served: true, storage: true, schema }],
    },
  }
}
