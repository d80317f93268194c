/** Reads the plan file: JSON of version 1, or the fork's properties; which of the two is decided by name and content. */
import { readFile } from 'node:fs/promises'
import { parseJson, parseProperties, parseWith, planSchema, SupercargoError, substitute } from '@supercargo/protocol'
import { fromFileSystemError } from '@supercargo/transfer'
import { forkPlans } from './fork-plan.ts'
import type { RootPlan } from './root-plan.ts'

/** Throws kind `invalid` with the field that is wrong, or what reading the file says. The file's text is never in a message. */
export async function readPlan(file: string, env: NodeJS.ProcessEnv): Promise<RootPlan[]> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (error) {
    throw fromFileSystemError(error, `cannot read the plan ${file}`)
  }
  const text = bytes.toString('utf8').replace(/^\ufeff/, '')
  if (file.endsWith('.json') || (!file.endsWith('.properties') && /^\s*[[{]/.test(text))) {
    return [parseWith(planSchema, parseJson(text, `the plan ${file}`), `the plan ${file}`, 'bad-plan')]
  }
  // Java reads properties as ISO 8859-1; every other character is written \uXXXX.
  const properties = parseProperties(bytes.toString('latin1'))
  if (!file.endsWith('.properties') && ![...properties.keys()].some((key) => key.startsWith('spark.'))) {
    throw new SupercargoError('invalid', 'bad-plan', `${file} is neither a JSON plan nor a Spark properties file`)
  }
  return forkPlans(substitute(properties, env), env.HADOOP_CONF_DIR)
}
