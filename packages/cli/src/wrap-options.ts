/** The options of `supercargo wrap`; what stands behind its command belongs to the command. */
import { caFile, logLevel, type Option, quiet, tokenFile } from './options.ts'
import { clusterOptions, noGate, podOptions } from './submit-options.ts'

export const wrapOptions: readonly Option[] = [
  { name: 'print', help: 'show what would be run, with the files that it would read; stage, create and run nothing' },
  {
    name: 'master',
    value: 'URL',
    help: 'what the Spark of COMMAND runs on, where its arguments do not say it: k8s://…',
  },
  {
    name: 'deploy-mode',
    value: 'MODE',
    choices: ['client', 'cluster'],
    help: 'where the driver of COMMAND runs, where its arguments do not say it',
  },
  ...podOptions,
  noGate,
  ...clusterOptions,
  tokenFile,
  caFile,
  quiet,
  logLevel,
]
