/** A submission for tests: real files in a directory, read as the command reads them; only chance and time are given. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Secret } from '@supercargo/protocol'
import { readSubmitArguments, sparkOptions } from '../arguments.ts'
import { readConfiguration } from '../configuration.ts'
import { type OwnOptions, prepare } from '../prepare.ts'
import type { Submission } from '../submission.ts'

export interface Workplace {
  readonly directory: string
  /** Writes a file below the directory, and gives its path. */
  file(path: string, text?: string): Promise<string>
  /** What a command line in this directory means. */
  submission(
    argv: readonly string[],
    own?: Partial<OwnOptions>,
    environment?: Record<string, string>,
  ): Promise<Submission>
  [Symbol.asyncDispose](): Promise<void>
}

export const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5)
export const testSecret = 'test-resource-secret'
const chance = {
  applicationId: '0123456789abcdef0123456789abcdef',
  uid: 'aabbcc0123456789',
  localDirectoryId: '11111111-2222-4333-8444-555555555555',
}
const own: OwnOptions = {
  server: 'http://staging.example:10000',
  podServer: undefined,
  caFile: undefined,
  initImage: 'example/supercargo-init:1',
  distribution: undefined,
  sparkVersion: undefined,
  hostAliases: [],
  namespace: 'spark',
  owner: undefined,
}

export async function workplace(): Promise<Workplace> {
  const directory = await mkdtemp(join(tmpdir(), 'supercargo-submit-'))
  return {
    directory,
    file: async (path, text = path) => {
      const full = join(directory, path)
      await mkdir(dirname(full), { recursive: true })
      await writeFile(full, text)
      return full
    },
    submission: async (argv, given = {}, environment = {}) => {
      const args = readSubmitArguments(argv, sparkOptions)
      const prepared = await prepare({
        args,
        own: { ...own, ...given },
        environment: { SPARK_USER: 'someone', ...environment },
        directory,
        contextNamespace: async () => undefined,
        configuration: await readConfiguration(args, environment),
        nowMs,
      })
      return fixed(prepared.submission)
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

/** The same submission with ids that do not change, and staged. */
function fixed(submission: Submission): Submission {
  const { application, plan } = submission
  const named = (text: string) => text.replace(application.uid, chance.uid)
  return {
    ...submission,
    application: {
      ...application,
      ...chance,
      id: application.id.startsWith('spark-') ? `spark-${chance.applicationId}` : application.id,
      prefix: named(application.prefix),
      driverPod: named(application.driverPod),
      driverService: named(application.driverService),
    },
    staged: plan.staged.length === 0 ? undefined : { resourceId: 'a'.repeat(26), secret: new Secret(testSecret) },
  }
}
