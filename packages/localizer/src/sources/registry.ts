/** From a URI's scheme to the source that reads it; each is imported when the first item needs it. */
import { type Environment, printable, SupercargoError } from '@supercargo/protocol'
import { proxiesOf } from '@supercargo/transfer'
import type { Item, RootPlan } from '../root-plan.ts'
import type { Redactor } from './secret-text.ts'
import type { Source, SourceItem } from './source.ts'
import type { StagedSource } from './staged.ts'

export const supportedSchemes = [
  'http',
  'https',
  's3',
  's3a',
  's3n',
  'hdfs',
  'webhdfs',
  'swebhdfs',
  'viewfs',
  'file',
  'local',
] as const

export interface Sources {
  /** The source of an item. Throws kind `invalid` for a scheme that is not supported. */
  of(item: SourceItem): Promise<Source>
  staged(): Promise<StagedSource>
  /** Opens what the items need, so that they can be named without waiting. */
  openFor(items: readonly Item[]): Promise<void>
  /** As the item's source says; only after `openFor`. */
  identity(item: SourceItem): string
  shown(item: SourceItem): string
  close(): void
}

/** The settings are the first plan's: the roots of one run share them. */
export function createSources(
  plan: RootPlan,
  options: {
    readonly socketsMax: number
    readonly redactor: Redactor
    readonly environment: Environment
    readonly log?: ((line: string) => void) | undefined
  },
): Sources {
  const opening = new Map<string, Promise<Source>>()
  const opened = new Map<string, Source>()
  const { idleTimeoutMs } = plan.limits
  const proxyFor = proxiesOf(options.environment)
  const once = <S extends Source>(name: string, create: () => Promise<S>): Promise<S> => {
    const found = opening.get(name) as Promise<S> | undefined
    if (found !== undefined) return found
    const source = create()
    opening.set(name, source)
    source.then(
      (ready) => opened.set(name, ready),
      () => opening.delete(name),
    )
    return source
  }
  const staged = (): Promise<StagedSource> =>
    once('staged', async () => {
      if (plan.staging === undefined) {
        throw new SupercargoError('invalid', 'no-staging-server', 'the plan names a resource but no staging server', {
          hint: 'add "staging": {"url": …} to the plan',
        })
      }
      const { createStagedSource } = await import('./staged.ts')
      return createStagedSource({ ...plan.staging, idleTimeoutMs, proxyFor, redactor: options.redactor })
    })
  const nameOf = (item: SourceItem) => sourceNameOf(item, plan.hadoop?.exec?.schemes ?? [])
  const of = (item: SourceItem): Promise<Source> => {
    const name = nameOf(item)
    if (name === 'staged') return staged()
    if (name === 'file') return once(name, async () => (await import('./file.ts')).createFileSource())
    if (name === 'hadoop') {
      return once(name, async () => {
        const { createHadoopSource } = await import('./hdfs/exec.ts')
        return createHadoopSource({ settings: plan.hadoop ?? {}, environment: options.environment })
      })
    }
    if (name === 'hdfs') {
      return once(name, async () => {
        const { createHdfsSource } = await import('./hdfs/hdfs.ts')
        return createHdfsSource({ settings: plan.hadoop, origins: plan.http ?? {}, idleTimeoutMs, ...options })
      })
    }
    if (name === 's3') {
      return once(name, async () => {
        const { createS3Source } = await import('./s3/s3-source.ts')
        const { readHadoopConfiguration } = await import('../hadoop/configuration.ts')
        const hadoop = await readHadoopConfiguration(plan.hadoop, undefined, options.environment)
        return createS3Source({ hadoop, origins: plan.http ?? {}, idleTimeoutMs, proxyFor, ...options })
      })
    }
    return once(name, async () => {
      const { createHttpSource } = await import('./http.ts')
      return createHttpSource({ origins: plan.http ?? {}, idleTimeoutMs, proxyFor, ...options })
    })
  }
  return {
    of,
    staged,
    openFor: async (items) => {
      for (const item of items) {
        if ('resource' in item) await staged()
        else if (schemeOf(item.uri) !== 'local') await of({ kind: 'uri', uri: item.uri })
      }
    },
    identity: (item) => opened.get(nameOf(item))!.identity(item),
    shown: (item) => opened.get(nameOf(item))!.shown(item),
    close: () => {
      for (const source of opened.values()) source.close()
    },
  }
}

type SourceName = 'staged' | 'file' | 'http' | 's3' | 'hdfs' | 'hadoop'

function sourceNameOf(item: SourceItem, byHadoop: readonly string[]): SourceName {
  if (item.kind === 'staged') return 'staged'
  const scheme = schemeOf(item.uri)
  if (byHadoop.includes(scheme)) return 'hadoop'
  if (scheme === 'file') return 'file'
  if (scheme.startsWith('s3')) return 's3'
  return /^(s?web)?hdfs$|^viewfs$/.test(scheme) ? 'hdfs' : 'http'
}

/** The scheme in lower case. Throws kind `invalid` with what is wrong with the URI. */
export function schemeOf(uri: string): (typeof supportedSchemes)[number] {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(uri)?.[1]?.toLowerCase()
  if (scheme === undefined) {
    throw new SupercargoError('invalid', 'bad-uri', `the URI ${printable(safe(uri))} has no scheme`, {
      hint: 'write file:///path for a file of this machine',
    })
  }
  const supported = supportedSchemes.find((name) => name === scheme)
  if (supported === undefined) {
    throw new SupercargoError(
      'invalid',
      'unsupported-scheme',
      `the scheme ${printable(scheme)} of ${printable(safe(uri))} is not supported`,
      {
        hint: `supported are ${supportedSchemes.join(', ')} and staged resources`,
      },
    )
  }
  const fault = supported === 'http' || supported === 'https' ? httpFault(uri) : undefined
  if (fault !== undefined) throw new SupercargoError('invalid', 'bad-uri', `the URI ${printable(safe(uri))} ${fault}`)
  return supported
}

function httpFault(uri: string): string | undefined {
  if (!URL.canParse(uri)) return 'is not valid'
  return new URL(uri).port === '0' ? 'has the port 0' : undefined
}

/** Without user, query and fragment: fit for a message also where it does not parse. */
function safe(uri: string): string {
  return uri.replace(/[?#].*$/s, '').replace(/\/\/[^/]*@/, '//')
}
