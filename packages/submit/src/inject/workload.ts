/** Workloads: the documents whose pods get the files, and where in each kind the pods are described. */
import { namespaceSchema, nearest, SupercargoError, standardApiVersions } from '@supercargo/protocol'
import { isMap, isSeq } from 'yaml'
import type { ManifestDocument } from './manifest.ts'
import { badPlace, mapAt, type Path, textAt } from './yaml-place.ts'

export interface Workload {
  readonly document: ManifestDocument
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  /** Undefined when whoever applies it decides. */
  readonly namespace: string | undefined
  /** `pods`: a pod template. `kubeflow`, `apache`: a Spark application of that operator. */
  readonly form: 'pods' | 'kubeflow' | 'apache'
  /** Of the pod template, or of the application's specification. */
  readonly path: Path
}

const template: Path = ['spec', 'template']
const forms: Readonly<Record<string, Pick<Workload, 'form' | 'path'>>> = {
  Pod: { form: 'pods', path: [] },
  Job: { form: 'pods', path: template },
  CronJob: { form: 'pods', path: ['spec', 'jobTemplate', ...template] },
  Deployment: { form: 'pods', path: template },
  StatefulSet: { form: 'pods', path: template },
  DaemonSet: { form: 'pods', path: template },
  ReplicaSet: { form: 'pods', path: template },
  ReplicationController: { form: 'pods', path: template },
  SparkApplication: { form: 'kubeflow', path: ['spec'] },
  ScheduledSparkApplication: { form: 'kubeflow', path: template },
}

/** `CronJob etl` */
export function shownWorkload({ kind, name }: Pick<Workload, 'kind' | 'name'>): string {
  return `${kind} ${name}`
}

/** The workloads of the stream, in its order; only those named `KIND/NAME` when `only` names any. */
export function findWorkloads(documents: readonly ManifestDocument[], only: readonly string[]): Workload[] {
  const all = documents.map(readWorkload).filter((each) => each !== undefined)
  if (all.length === 0) throw nothingThere(documents)
  for (const text of only) {
    const names = all.map(({ kind, name }) => `${kind}/${name}`)
    if (names.includes(text)) continue
    const meant = nearest(text, names)
    throw new SupercargoError('notFound', 'no-such-workload', `the manifest has no ${text}`, {
      hint: `${meant === undefined ? '' : `did you mean ${meant}? `}it has ${names.join(', ')}`,
    })
  }
  return all.filter(({ kind, name }) => only.length === 0 || only.includes(`${kind}/${name}`))
}

function readWorkload(document: ManifestDocument): Workload | undefined {
  if (document.yaml === undefined || !isMap(document.yaml.contents)) return undefined
  const kind = textAt(document, ['kind'])
  const apiVersion = textAt(document, ['apiVersion'])
  if (kind === undefined || apiVersion === undefined) return undefined
  if (kind === 'List' && apiVersion === 'v1') checkList(document)
  const known = forms[kind]
  if (known === undefined) return undefined
  const versions = standardApiVersions[kind] ?? []
  if (!versions.includes(apiVersion))
    throw badPlace(
      document,
      undefined,
      'unknown-version',
      `${kind} of ${apiVersion} is not known`,
      `write it as ${versions.join(' or ')}`,
    )
  const name = textAt(document, ['metadata', 'name'])
  if (name === undefined)
    throw badPlace(
      document,
      mapAt(document, ['metadata'])?.range?.[0],
      'workload-without-name',
      `the ${kind} has no metadata.name, so nothing could say for how long its files are needed`,
      'give it a name, also in place of generateName',
    )
  const namespace = textAt(document, ['metadata', 'namespace'])
  if (namespace !== undefined && !namespaceSchema.safeParse(namespace).success)
    throw badPlace(document, undefined, 'bad-manifest', `${namespace} is no namespace`, 'render templates first')
  const form = apiVersion.startsWith('spark.apache.org/') ? 'apache' : known.form
  return { document, kind, apiVersion, name, namespace, form, path: known.path }
}

/** What `kubectl get -o yaml` prints of several objects. */
function checkList(document: ManifestDocument): void {
  const items = document.yaml!.get('items')
  if (!isSeq(items) || !items.items.some((item) => isMap(item) && String(item.get('kind')) in forms)) return
  throw badPlace(
    document,
    undefined,
    'manifest-list',
    'the workloads are items of a List',
    'write each as a document of its own, with --- between them',
  )
}

function nothingThere(documents: readonly ManifestDocument[]): SupercargoError {
  const kinds = documents.flatMap(({ yaml }) => (isMap(yaml?.contents) ? [String(yaml.get('kind') ?? '?')] : []))
  const found = kinds.length === 0 ? 'it holds no object' : `it holds ${[...new Set(kinds)].join(', ')}`
  return new SupercargoError('invalid', 'nothing-to-inject', `the manifest holds no pods: ${found}`, {
    hint: `pods are found in ${Object.keys(forms).join(', ')}`,
  })
}
