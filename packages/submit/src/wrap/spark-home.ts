/** Where the Spark of a command is installed: its spark-defaults.conf counts for the command as it does without us. */
import { access, realpath } from 'node:fs/promises'
import { delimiter, dirname, join, resolve } from 'node:path'
import type { Environment } from '../configuration.ts'

/** SPARK_HOME, else the folder above the `bin` in which the command is found. Undefined when that is no Spark. */
export async function findSparkHome(
  command: string,
  environment: Environment,
  directory: string,
): Promise<string | undefined> {
  if (environment.SPARK_HOME) return environment.SPARK_HOME
  const candidates = command.includes('/')
    ? [resolve(directory, command)]
    : (environment.PATH ?? '').split(delimiter).map((folder) => join(folder, command))
  for (const candidate of candidates) {
    const path = await realpath(candidate).catch(() => undefined) // Not in this folder of PATH.
    if (path === undefined) continue
    const home = dirname(dirname(path))
    const isSpark = await access(join(home, 'bin', 'spark-submit')).then(
      () => true,
      () => false,
    )
    return isSpark ? home : undefined
  }
  return undefined
}
