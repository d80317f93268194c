/** A place for tests of inject: real files, and a staging server that answers with what never changes. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { digestFiles, type StagingClient } from '@supercargo/client'
import { type Owner, ownersSchema, Secret, type StagedFile, SupercargoError } from '@supercargo/protocol'
import { Configuration } from '../../configuration.ts'
import type { Role } from '../../dependency.ts'
import { type InjectResult, inject, showInjection } from '../../inject/inject.ts'
import { type InjectRequest, prepareInjection } from '../../inject/prepare-injection.ts'

export interface InjectPlace {
  readonly directory: string
  readonly staging: ScriptedStaging
  file(path: string, text?: string): Promise<string>
  inject(text: string, options?: InjectOptions): Promise<InjectResult>
  show(text: string, options?: InjectOptions): Promise<string>
  [Symbol.asyncDispose](): Promise<void>
}

export interface InjectOptions extends Partial<Omit<InjectRequest, 'text' | 'dependencies' | 'configuration'>> {
  /** By option, without dashes. */
  readonly given?: Readonly<Record<string, readonly string[]>>
  readonly conf?: Readonly<Record<string, string>>
}

/** In place of a real server where the bytes of a manifest are compared: its ids are never the same. */
export class ScriptedStaging
  implements Pick<StagingClient, 'stage' | 'manifest' | 'createCapability' | 'bindOwner' | 'release'>
{
  readonly resources = new Map<string, { files: readonly StagedFile[]; owner: readonly Owner[] }>()
  readonly calls: string[] = []

  async stage({ files, owner }: Parameters<StagingClient['stage']>[0]): ReturnType<StagingClient['stage']> {
    this.calls.push('stage')
    const resourceId = 'abcdefghij'[this.resources.size]!.repeat(26)
    const staged = await digestFiles({ files })
    this.resources.set(resourceId, { files: staged, owner: ownersSchema.parse(owner) })
    return { resourceId, resourceSecret: new Secret(testSecret), files: staged, sentBytes: 1 }
  }

  async manifest({ resourceId }: Parameters<StagingClient['manifest']>[0]): ReturnType<StagingClient['manifest']> {
    this.calls.push('manifest')
    const { files, owner } = this.#get(resourceId)
    return { resourceId, createdAt: '2026-01-02T03:04:05Z', files: [...files], owner: [...owner] }
  }

  async createCapability({ resourceId }: { resourceId: string }): ReturnType<StagingClient['createCapability']> {
    this.calls.push('createCapability')
    this.#get(resourceId)
    return { name: 'some', url: `http://127.0.0.1:10000/c/${resourceId}.${testCapability}/` }
  }

  async bindOwner({ resourceId, owner }: Parameters<StagingClient['bindOwner']>[0]): Promise<void> {
    this.calls.push('bindOwner')
    this.resources.set(resourceId, { ...this.#get(resourceId), owner: ownersSchema.parse(owner) })
  }

  async release({ resourceId }: Parameters<StagingClient['release']>[0]): Promise<void> {
    this.calls.push('release')
    this.resources.delete(resourceId)
  }

  #get(id: string): { files: readonly StagedFile[]; owner: readonly Owner[] } {
    const found = this.resources.get(id)
    if (found === undefined) throw new SupercargoError('notFound', 'no-such-resource', `there is no resource ${id}`)
    return found
  }
}

export const testSecret = 'test-resource-secret'
export const testCapability = 'test-capability'

const roles: Readonly<Record<string, Role>> = {
  jars: 'jars',
  files: 'files',
  'py-files': 'pyFiles',
  archives: 'archives',
}

export async function injectPlace(): Promise<InjectPlace> {
  const directory = await mkdtemp(join(tmpdir(), 'supercargo-inject-'))
  const staging = new ScriptedStaging()
  const prepare = (text: string, { given = {}, conf = {}, ...rest }: InjectOptions) =>
    prepareInjection({
      text,
      file: 'some.yaml',
      directory,
      dependencies: Object.entries(given).flatMap(([option, texts]) =>
        texts.map((each) => ({ role: roles[option]!, text: each, said: `--${option}` })),
      ),
      only: [],
      container: undefined,
      root: '/var/spark-data',
      configuration: Configuration.of(conf),
      localizer: {
        image: 'example/supercargo-init:1',
        pullPolicy: 'IfNotPresent',
        server: 'http://staging.example:10000',
        deadlineMs: undefined,
      },
      authority: undefined,
      namespace: 'default',
      ...rest,
    })
  return {
    directory,
    staging,
    file: async (path, text = path) => {
      const full = join(directory, path)
      await mkdir(dirname(full), { recursive: true })
      await writeFile(full, text)
      return full
    },
    inject: async (text, options = {}) =>
      inject(
        await prepare(text, options),
        {
          staging: staging as unknown as StagingClient,
          client: undefined,
          apply: false,
          force: false,
          note: () => undefined,
          onProgress: () => undefined,
        },
        AbortSignal.timeout(20_000),
      ),
    show: async (text, options = {}) => showInjection(await prepare(text, options)),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

/** One of the manifests that the documentation shows. */
export function example(name: string): Promise<string> {
  return readFile(join(import.meta.dirname, '../../../../../deploy/examples', `${name}.yaml`), 'utf8')
}
