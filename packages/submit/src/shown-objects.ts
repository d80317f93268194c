/** What would be created, for a person to read: no secret in it. */
import type { KubeObject } from '@supercargo/kube'
import type { Container, PodManifest } from './pod.ts'
import type { Rendered } from './steps/order.ts'

const hidden = '[secret]'
/** kubectl reads YAML 1.1, where a bare `yes` is no text. */
const yaml = { lineWidth: 0, aliasDuplicateObjects: false, version: '1.1' } as const

/** The driver's pod, then its objects; the contents of Secrets are not shown, nor is what a setting's name says is one. */
export function shownObjects({ pod, objects }: Rendered): KubeObject[] {
  return [shownPod(pod), ...objects].map((object) => {
    if (object.kind === 'Secret') return { ...object, data: mapped(object.data, () => hidden) }
    if (object.kind === 'ConfigMap') return { ...object, data: mapped(object.data, shownProperties) }
    return object
  })
}

/** YAML documents. */
export async function objectsAsYaml(rendered: Rendered): Promise<string> {
  const { stringify } = await import('yaml')
  return shownObjects(rendered)
    .map((object) => `---\n${stringify(object, yaml)}`)
    .join('')
}

/** Whether the name of a setting or variable says that its value is for nobody's eyes. */
export function namesSecret(name: string): boolean {
  if (/\.(secrets|secretKeyRef)\.|pullSecrets$|tokenSecret\.|File$/.test(name)) return false
  return /secret|password|passwd|token|credential|access[._-]?key/i.test(name)
}

function shownProperties(text: string): string {
  return text.replace(/^(spark\.[^=\n]*)=.*$/gm, (line, key: string) => (namesSecret(key) ? `${key}=${hidden}` : line))
}

function shownPod(pod: PodManifest): PodManifest {
  const containers = (pod.spec.containers as readonly Container[]).map((container) => ({
    ...container,
    ...(container.env === undefined
      ? {}
      : {
          env: container.env.map((each) =>
            each.value !== undefined && namesSecret(each.name) ? { ...each, value: hidden } : each,
          ),
        }),
  }))
  return { ...pod, spec: { ...pod.spec, containers } }
}

function mapped(data: unknown, change: (text: string) => string): Record<string, string> {
  return Object.fromEntries(
    Object.entries((data ?? {}) as Record<string, string>).map(([key, text]) => [key, change(text)]),
  )
}
