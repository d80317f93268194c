/** The init-container, its volumes and the mounts in a pod template; what is there of an earlier time is replaced. */
import { posix } from 'node:path'
import { isMap } from 'yaml'
import {
  dataMount,
  dataVolume,
  initContainerName,
  type LocalizeContainer,
  localizeContainer,
} from '../localize-container.ts'
import type { Volume } from '../pod.ts'
import type { ManifestDocument } from './manifest.ts'
import { badPlace, itemWith, type Path, putNamed, removeNamed, scalarAt, seqAt } from './yaml-place.ts'

export interface PodParts extends Omit<LocalizeContainer, 'runAsUser'> {
  /** Beside the one for the files. */
  readonly volumes: readonly Volume[]
}

const ownVolumes = new Set([dataVolume.name, 'supercargo-plan', 'supercargo-hadoop'])

/** `path` leads to what has the pod's `spec`. `container`: the one that sees the files; without it, every one. */
export function editPodTemplate(
  document: ManifestDocument,
  path: Path,
  parts: PodParts,
  container: string | undefined,
): void {
  const spec = [...path, 'spec']
  const containers = [...spec, 'containers']
  const names = containerNames(document, containers)
  if (names.length === 0)
    throw badPlace(document, undefined, 'bad-manifest', `${containers.join('.')} has no container`, 'name one')
  if (container !== undefined && !names.includes(container))
    throw badPlace(
      document,
      seqAt(document, containers)?.range?.[0],
      'no-such-container',
      `there is no container ${container}`,
      `--container is one of ${names.join(', ')}`,
    )
  addToPod(document, spec, parts)
  for (const [index, name] of names.entries()) {
    if (container === undefined || name === container) mount(document, [...containers, index], name, parts.root)
    else removeNamed(document, [...containers, index, 'volumeMounts'], dataVolume.name)
  }
}

/** In a template that completes Spark's own container, which is made where it is not there. */
export function editSparkTemplate(document: ManifestDocument, path: Path, parts: PodParts, container: string): void {
  const spec = [...path, 'spec']
  const containers = [...spec, 'containers']
  const names = containerNames(document, containers)
  if (names.length === 0) putNamed(document, containers, { name: container }, 'last')
  addToPod(document, spec, parts)
  const index = Math.max(0, names.indexOf(container))
  mount(document, [...containers, index], names[index] ?? container, parts.root)
}

/** Takes our parts out of a template, and the template when nothing else is in it. */
export function clearSparkTemplate(document: ManifestDocument, path: Path, container: string): void {
  const spec = [...path, 'spec']
  const containers = [...spec, 'containers']
  if (itemWith(seqAt(document, [...spec, 'initContainers']), 'name', initContainerName) === undefined) return
  removeNamed(document, [...spec, 'initContainers'], initContainerName)
  for (const item of [...(seqAt(document, [...spec, 'volumes'])?.items ?? [])]) {
    const name = isMap(item) ? String(item.get('name')) : ''
    if (ownVolumes.has(name)) removeNamed(document, [...spec, 'volumes'], name)
  }
  for (const index of containerNames(document, containers).keys())
    removeNamed(document, [...containers, index, 'volumeMounts'], dataVolume.name)
  const [first, ...others] = seqAt(document, containers)?.items ?? []
  if (others.length === 0 && isMap(first) && first.items.length === 1 && first.get('name') === container)
    removeNamed(document, containers, container)
}

function addToPod(document: ManifestDocument, spec: Path, parts: PodParts): void {
  const user = scalarAt(document, [...spec, 'securityContext', 'runAsUser'])?.value
  const runAsUser = user === undefined ? undefined : Number(user)
  putNamed(document, [...spec, 'initContainers'], localizeContainer({ ...parts, runAsUser }), 'first')
  for (const volume of [dataVolume, ...parts.volumes]) putNamed(document, [...spec, 'volumes'], volume, 'last')
}

function containerNames(document: ManifestDocument, path: Path): string[] {
  return (seqAt(document, path)?.items ?? []).map((item, index) => {
    const name = isMap(item) ? item.get('name') : undefined
    if (typeof name === 'string') return name
    throw badPlace(document, undefined, 'bad-manifest', `${path.join('.')}[${index}] has no name`, 'give it one')
  })
}

function mount(document: ManifestDocument, container: Path, name: string, root: string): void {
  checkFree(document, container, name, root)
  putNamed(document, [...container, 'volumeMounts'], dataMount(root), 'last')
}

/** Two things at one place hide each other, and Spark deletes what is in its working directory. */
function checkFree(document: ManifestDocument, container: Path, name: string, root: string): void {
  const taken = (path: string) => path === root || inside(root, path)
  for (const item of seqAt(document, [...container, 'volumeMounts'])?.items ?? []) {
    if (!isMap(item) || item.get('name') === dataVolume.name) continue
    const path = posix.normalize(String(item.get('mountPath') ?? '')).replace(/(?<=.)\/$/, '')
    if (taken(path))
      throw badPlace(
        document,
        item.range?.[0],
        'mount-taken',
        `the container ${name} mounts ${String(item.get('name'))} at ${path}, where the files go`,
        'choose another place for them with --root',
      )
  }
  const work = scalarAt(document, [...container, 'workingDir'])
  if (work?.value != null && taken(posix.normalize(work.value)))
    throw badPlace(
      document,
      work.range?.[0],
      'inside-working-directory',
      `the container ${name} works in ${work.value}, where the files go and nothing can be written`,
      'choose another place for them with --root',
    )
}

function inside(parent: string, path: string): boolean {
  return path.startsWith(`${parent}/`)
}
