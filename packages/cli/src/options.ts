/** The options, each written once: parsing, help, environment, completion and the manual all come from here. */
import { defaultServer } from '@supercargo/protocol'

export interface Option {
  /** Without dashes. Its environment variable is SUPERCARGO_ and this in capitals. */
  readonly name: string
  readonly short?: string
  /** Names the value in help; an option without one is a switch. */
  readonly value?: string
  /** May be given more than once; in the environment its values are separated by commas. */
  readonly many?: true
  readonly choices?: readonly string[]
  readonly default?: string
  readonly help: string
}

export const server: Option = {
  name: 'server',
  value: 'URL',
  default: defaultServer,
  help: 'the staging server; a path prefix is kept',
}
export const tokenFile: Option = {
  name: 'token-file',
  value: 'FILE',
  help: 'a file with the token that says who asks',
}
export const caFile: Option = {
  name: 'ca-file',
  value: 'FILE',
  help: "a certificate authority to trust beside the system's (PEM)",
}
export const namespace: Option = {
  name: 'namespace',
  short: 'n',
  value: 'NAMESPACE',
  help: 'the Kubernetes namespace',
}
export const quiet: Option = { name: 'quiet', short: 'q', help: 'say nothing but errors' }
export const json: Option = { name: 'json', help: 'write the result, and a failure too, as one JSON object' }
export const logLevels = ['error', 'warn', 'info', 'debug', 'trace'] as const
export const logLevel: Option = {
  name: 'log-level',
  value: 'LEVEL',
  choices: logLevels,
  default: 'info',
  help: 'how much is told; debug adds causes and stacks',
}
export const secretFile: Option = {
  name: 'secret-file',
  value: 'FILE',
  help: "the file that holds the resource's secret",
}

/** Of everything that talks to a staging server. */
export const connectionOptions: readonly Option[] = [server, tokenFile, caFile, quiet, json, logLevel]

export function environmentName(option: Option): string {
  return `SUPERCARGO_${option.name.toUpperCase().replaceAll('-', '_')}`
}
