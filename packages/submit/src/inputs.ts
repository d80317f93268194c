/** Reads the files of this machine whose contents travel in objects of the cluster. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { printable, SupercargoError } from '@supercargo/protocol'
import { fromFileSystemError, isErrno } from '@supercargo/transfer'
import { type Configuration, type Environment, sparkConfDirectory } from './configuration.ts'
import { type PodParts, splitTemplate } from './pod.ts'
import { credentialKeys } from './steps/account.ts'
import type { Inputs, SecretFile, TextFile } from './submission.ts'

/** What fits into an object at all; files beyond it are no configuration. */
const fileBytesMax = 1_000_000

export interface InputsRequest {
  readonly configuration: Configuration
  readonly environment: Environment
  /** Where relative paths begin. */
  readonly directory: string
  readonly caFile: string | undefined
}

export async function readInputs(request: InputsRequest): Promise<Inputs> {
  const { configuration, environment, caFile } = request
  const path = (key: string) => localPath(configuration, key, request.directory)
  const [driverTemplate, executorTemplate, sparkConf, hadoopConf, kerberosConf, keytab, credentials, stagingCa] =
    await Promise.all([
      readTemplate(configuration, 'driver', path('spark.kubernetes.driver.podTemplateFile')),
      readTemplate(configuration, 'executor', path('spark.kubernetes.executor.podTemplateFile')),
      readDirectory(sparkConfDirectory(environment), isSparkConf),
      environment.HADOOP_CONF_DIR ? readDirectory(environment.HADOOP_CONF_DIR, () => true) : undefined,
      readText(path('spark.kubernetes.kerberos.krb5.path')),
      configuration.text('spark.kerberos.keytab')?.startsWith('local:') === true
        ? undefined
        : readSecret(path('spark.kerberos.keytab'), undefined),
      readCredentials(configuration, path),
      readText(caFile),
    ])
  return {
    sparkConf,
    credentials,
    ...(driverTemplate === undefined ? {} : { driverTemplate }),
    ...(executorTemplate === undefined ? {} : { executorTemplate }),
    ...(hadoopConf === undefined || hadoopConf.length === 0 ? {} : { hadoopConf }),
    ...(kerberosConf === undefined ? {} : { kerberosConf }),
    ...(keytab === undefined ? {} : { keytab }),
    ...(stagingCa === undefined ? {} : { stagingCa: stagingCa.text }),
  }
}

async function readTemplate(
  configuration: Configuration,
  role: 'driver' | 'executor',
  file: string | undefined,
): Promise<PodParts | undefined> {
  const found = await readText(file)
  if (found === undefined || file === undefined) return undefined
  const { parse } = await import('yaml')
  let template: unknown
  try {
    template = parse(found.text)
  } catch (error) {
    throw new SupercargoError('invalid', 'bad-pod-template', `the pod template ${file} is not YAML`, { cause: error })
  }
  const name = configuration.text(`spark.kubernetes.${role}.podTemplateContainerName`)
  return splitTemplate(template, name, `spark-kubernetes-${role}`, file)
}

/** As Spark chooses: not its own properties, no templates, no archives. */
function isSparkConf(name: string): boolean {
  return !/\.template$|^spark.*(conf|properties)$|\.(gz|zip|jar|tar)$/.test(name)
}

async function readDirectory(directory: string | undefined, wanted: (name: string) => boolean): Promise<TextFile[]> {
  if (directory === undefined) return []
  const names = await readdir(directory).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return []
    throw fromFileSystemError(error, `cannot list ${directory}`)
  })
  const files = await Promise.all(
    names
      .filter(wanted)
      .sort()
      .map((name) => readSmall(join(directory, name))),
  )
  return files.filter((file) => file !== undefined)
}

/** A regular file of text that could be a key of a ConfigMap; everything else in such a directory is left where it is. */
async function readSmall(path: string): Promise<TextFile | undefined> {
  const status = await stat(path).catch(() => undefined) // A dangling link, or a file that has just gone.
  if (status?.isFile() !== true || status.size > fileBytesMax || !/^[A-Za-z0-9._-]{1,253}$/.test(basename(path)))
    return undefined
  const bytes = await readFile(path)
  const text = bytes.toString('utf8')
  return Buffer.from(text).equals(bytes) ? { name: basename(path), text } : undefined
}

async function readText(path: string | undefined): Promise<TextFile | undefined> {
  if (path === undefined) return undefined
  return { name: basename(path), text: (await readBytes(path)).toString('utf8') }
}

async function readSecret(path: string | undefined, name: string | undefined): Promise<SecretFile | undefined> {
  if (path === undefined) return undefined
  return { name: name ?? basename(path), base64: (await readBytes(path)).toString('base64') }
}

async function readCredentials(
  configuration: Configuration,
  path: (key: string) => string | undefined,
): Promise<SecretFile[]> {
  const prefix = 'spark.kubernetes.authenticate.driver'
  const files = await Promise.all(
    Object.entries(credentialKeys).map(([name, property]) => readSecret(path(`${prefix}.${property}`), name)),
  )
  const token = configuration.text(`${prefix}.oauthToken`)
  const inline = token === undefined ? [] : [{ name: 'oauth-token', base64: Buffer.from(token).toString('base64') }]
  return [...files.filter((file) => file !== undefined), ...inline]
}

async function readBytes(path: string): Promise<Buffer> {
  const fail = (error: unknown): never => {
    throw fromFileSystemError(error, `cannot read ${path}`)
  }
  const { size } = await stat(path).catch(fail)
  if (size > fileBytesMax)
    throw new SupercargoError(
      'tooLarge',
      'file-too-large',
      `${path} has ${size} bytes, and ${fileBytesMax} fit into an object of the cluster`,
    )
  return await readFile(path).catch(fail)
}

/** A path, or a `file:` URI. */
function localPath(configuration: Configuration, key: string, directory: string): string | undefined {
  const text = configuration.text(key)
  if (text === undefined) return undefined
  if (/^file:\//i.test(text)) return fileURLToPath(text)
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text) && !text.startsWith('local:'))
    throw new SupercargoError(
      'invalid',
      'not-local',
      `${configuration.said(key)} is ${printable(text)}, which is on no disk of this machine`,
      {
        hint: 'fetch it, and name the file',
      },
    )
  return text.startsWith('local:') ? undefined : resolve(directory, text)
}
