/** Volumes of the driver by configuration: `spark.kubernetes.driver.volumes.TYPE.NAME.…`. Executors get theirs from Spark. */
import type { KubeObject } from '@supercargo/kube'
import { SupercargoError } from '@supercargo/protocol'
import { type Application, selectorLabel } from '../application.ts'
import { addMount, addObject, addVolume } from '../spec.ts'
import type { Step } from './step.ts'

const prefix = 'spark.kubernetes.driver.volumes.'

interface VolumeSetting {
  readonly type: string
  readonly name: string
  /** What stands behind the name: `mount.path`, `options.claimName`. */
  readonly settings: ReadonlyMap<string, string>
}

export const volumes: Step = {
  name: 'the configured volumes',
  apply: (spec, { application, configuration }) => {
    let next = spec
    const settings = readVolumes(configuration.behind(prefix))
    const legacy = configuration.on('spark.kubernetes.legacy.useReadWriteOnceAccessMode')
    for (const [index, volume] of settings.entries()) {
      const mountPath = need(volume, 'mount.path')
      const readOnly = volume.settings.get('mount.readOnly') === 'true'
      const subPath = volume.settings.get('mount.subPath')
      const subPathExpr = volume.settings.get('mount.subPathExpr')
      const claim = claimName(volume, application, index)
      next = addVolume(next, 'driver', { name: volume.name, ...source(volume, claim, readOnly) })
      next = addMount(next, 'driver', {
        name: volume.name,
        mountPath,
        ...(readOnly ? { readOnly } : {}),
        ...(subPath === undefined ? {} : { subPath }),
        ...(subPathExpr === undefined ? {} : { subPathExpr }),
      })
      const made = volume.type === 'persistentVolumeClaim' ? claimObject(volume, claim, application, legacy) : undefined
      if (made !== undefined) next = addObject(next, made)
    }
    return next
  },
}

function readVolumes(entries: readonly (readonly [string, string])[]): VolumeSetting[] {
  const found = new Map<string, { type: string; name: string; settings: Map<string, string> }>()
  for (const [rest, value] of entries) {
    const [type = '', name = '', ...setting] = rest.split('.')
    if (setting.length === 0) throw bad(`${prefix}${rest}`, 'write TYPE.NAME.mount.path and TYPE.NAME.options.…')
    const volume = found.get(`${type}.${name}`) ?? { type, name, settings: new Map<string, string>() }
    volume.settings.set(setting.join('.'), value)
    found.set(`${type}.${name}`, volume)
  }
  return [...found.values()]
}

function source(volume: VolumeSetting, claim: string, readOnly: boolean): object {
  const option = (name: string) => volume.settings.get(`options.${name}`)
  switch (volume.type) {
    case 'hostPath':
      return { hostPath: { path: need(volume, 'options.path'), type: option('type') ?? '' } }
    case 'emptyDir':
      return {
        emptyDir: {
          ...(option('medium') === undefined ? {} : { medium: option('medium') }),
          ...(option('sizeLimit') === undefined ? {} : { sizeLimit: option('sizeLimit') }),
        },
      }
    case 'nfs':
      return { nfs: { server: need(volume, 'options.server'), path: need(volume, 'options.path') } }
    case 'persistentVolumeClaim':
      return { persistentVolumeClaim: { claimName: claim, ...(readOnly ? { readOnly } : {}) } }
    default:
      throw bad(
        `${prefix}${volume.type}.${volume.name}`,
        'the types are hostPath, emptyDir, nfs and persistentVolumeClaim; anything else goes into a pod template',
      )
  }
}

/** `OnDemand` is a claim of this submission's own. */
function claimName(volume: VolumeSetting, { prefix: application }: Application, index: number): string {
  if (volume.type !== 'persistentVolumeClaim') return ''
  return need(volume, 'options.claimName').replaceAll('OnDemand', `${application}-driver-pvc-${index}`)
}

/** Made when class and size are given, as Spark does. */
function claimObject(
  volume: VolumeSetting,
  name: string,
  application: Application,
  legacy: boolean,
): KubeObject | undefined {
  const storageClass = volume.settings.get('options.storageClass')
  const size = volume.settings.get('options.sizeLimit')
  if (storageClass === undefined || size === undefined) return undefined
  const labels = [...volume.settings]
    .filter(([key]) => key.startsWith('label.'))
    .map(([key, value]) => [key.slice('label.'.length), value])
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name,
      namespace: application.namespace,
      labels: { ...Object.fromEntries(labels), [selectorLabel]: application.id },
    },
    spec: {
      storageClassName: storageClass,
      accessModes: [legacy ? 'ReadWriteOnce' : 'ReadWriteOncePod'],
      resources: { requests: { storage: size } },
    },
  }
}

function need(volume: VolumeSetting, setting: string): string {
  const value = volume.settings.get(setting)
  if (value !== undefined && value !== '') return value
  const key = `${prefix}${volume.type}.${volume.name}`
  throw new SupercargoError('invalid', 'bad-volume', `the volume ${key} lacks ${setting}`, {
    hint: `set ${key}.${setting}`,
  })
}

function bad(key: string, hint: string): SupercargoError {
  return new SupercargoError('invalid', 'bad-volume', `${key} describes no volume`, { hint })
}
