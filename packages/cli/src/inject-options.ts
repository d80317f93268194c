/** The options of `supercargo inject`. */
import { caFile, json, logLevel, type Option, quiet, tokenFile } from './options.ts'
import { clusterOptions, stagingServer } from './submit-options.ts'

export const injectOptions: readonly Option[] = [
  { name: 'file', short: 'f', value: 'FILE', help: 'the manifest; - reads what is piped in' },
  { name: 'output', short: 'o', value: 'FILE', help: 'write the manifest there, for its owner alone to read' },
  { name: 'apply', help: 'apply the manifest to the cluster, by server-side apply' },
  { name: 'force-conflicts', help: 'with --apply, take over fields that somebody else manages' },
  { name: 'dry-run', help: 'print the manifest as it would be, without secrets; stage and apply nothing' },
  { name: 'jars', value: 'FILES', help: 'jars, separated by commas; patterns too: lib/*.jar' },
  { name: 'files', value: 'FILES', help: 'files; FILE#NAME gives a new name' },
  { name: 'py-files', value: 'FILES', help: '.py, .zip, .egg or .whl files for the path of Python' },
  {
    name: 'archives',
    value: 'FILES',
    help: 'archives; in a Spark application FILE#DIRECTORY names where they are unpacked',
  },
  { name: 'only', value: 'KIND/NAME', many: true, help: 'the workloads that are meant, when not all are' },
  { name: 'container', value: 'NAME', help: 'the one container that sees the files; without it, every one' },
  { name: 'root', value: 'DIRECTORY', help: 'where the files appear in the pods (/var/spark-data)' },
  {
    name: 'conf',
    short: 'c',
    value: 'KEY=VALUE',
    many: true,
    help: 'a setting for the init-container: spark.hadoop.fs.s3a.…, spark.kubernetes.hadoop.configMapName',
  },
  stagingServer,
  {
    name: 'pod-server',
    value: 'URL',
    help: 'the staging server as the pods reach it, where that differs; also spark.supercargo.podServer',
  },
  { name: 'init-image', value: 'IMAGE', help: 'the image of the init-container; also spark.supercargo.initImage' },
  ...clusterOptions,
  tokenFile,
  caFile,
  quiet,
  json,
  logLevel,
]
