/** The options of `supercargo submit` and `doctor`: those of spark-submit, in its words, and ours. */
import { caFile, json, logLevel, namespace, type Option, quiet, server, tokenFile } from './options.ts'

/** Where the cluster is. */
export const clusterOptions: readonly Option[] = [
  {
    name: 'kubeconfig',
    value: 'FILE',
    help: 'the kubeconfig; without it KUBECONFIG, ~/.kube/config, or the pod’s own account',
  },
  { name: 'context', value: 'CONTEXT', help: 'the context of the kubeconfig' },
  namespace,
]

/** spark-submit's own; a test keeps their names and values those that submission reads. */
const sparkOptions: readonly Option[] = [
  { name: 'master', value: 'URL', help: 'k8s://https://host:port; without it, the cluster of the kubeconfig' },
  { name: 'deploy-mode', value: 'MODE', help: 'cluster, which is the only one here' },
  { name: 'class', value: 'CLASS', help: 'the main class of a jar' },
  { name: 'name', value: 'NAME', help: 'the name of the application' },
  { name: 'jars', value: 'FILES', help: 'jars for driver and executors, separated by commas; patterns too: lib/*.jar' },
  {
    name: 'files',
    value: 'FILES',
    help: 'files for the working directories of driver and executors; FILE#NAME gives a new name',
  },
  { name: 'py-files', value: 'FILES', help: '.py, .zip, .egg or .whl files for the path of Python' },
  {
    name: 'archives',
    value: 'FILES',
    help: 'archives that are unpacked in the working directories; FILE#DIRECTORY names where',
  },
  { name: 'packages', value: 'COORDINATES', help: 'Maven packages that the driver fetches' },
  { name: 'exclude-packages', value: 'COORDINATES', help: 'packages to leave out' },
  { name: 'repositories', value: 'URLS', help: 'where else to look for packages' },
  { name: 'conf', short: 'c', value: 'KEY=VALUE', many: true, help: 'a setting of Spark' },
  { name: 'properties-file', value: 'FILE', help: 'settings of Spark; in place of spark-defaults.conf' },
  { name: 'load-spark-defaults', help: 'read spark-defaults.conf beside --properties-file' },
  { name: 'driver-memory', value: 'SIZE', help: 'memory of the driver: 1g' },
  { name: 'driver-cores', value: 'NUMBER', help: 'cores of the driver' },
  { name: 'driver-java-options', value: 'OPTIONS', help: "options of the driver's JVM" },
  { name: 'driver-class-path', value: 'PATHS', help: "paths in the driver's pod, in front of Spark's own class path" },
  { name: 'driver-library-path', value: 'PATHS', help: "paths in the driver's pod for native libraries" },
  { name: 'executor-memory', value: 'SIZE', help: 'memory of each executor: 1g' },
  { name: 'executor-cores', value: 'NUMBER', help: 'cores of each executor' },
  { name: 'num-executors', value: 'NUMBER', help: 'executors at the start' },
  { name: 'total-executor-cores', value: 'NUMBER', help: 'cores of all executors' },
  { name: 'principal', value: 'PRINCIPAL', help: 'the Kerberos principal of the keytab' },
  { name: 'keytab', value: 'FILE', help: 'a Kerberos keytab; it travels in a Secret' },
  { name: 'proxy-user', value: 'USER', help: 'as whom the driver acts' },
  { name: 'queue', value: 'QUEUE', help: 'of YARN; read and left alone' },
  { name: 'supervise', help: 'of standalone clusters; read and left alone' },
  { name: 'kill', value: 'ID', help: 'stop a driver: NAMESPACE:POD, * at the end for several' },
  { name: 'status', value: 'ID', help: 'say how a driver is: NAMESPACE:POD' },
  { name: 'verbose', short: 'v', help: 'say what was read, and the settings that the driver gets' },
]

export const stagingServer: Option = {
  name: 'server',
  value: 'URL',
  help: `${server.help}; also spark.supercargo.server`,
}

/** What the pods need. */
export const podOptions: readonly Option[] = [
  stagingServer,
  {
    name: 'pod-server',
    value: 'URL',
    help: 'the staging server as the pods reach it, where that differs; also spark.supercargo.podServer',
  },
  { name: 'init-image', value: 'IMAGE', help: 'the image of the init-container; also spark.supercargo.initImage' },
  {
    name: 'distribution',
    value: 'HOW',
    choices: ['direct', 'driver'],
    help: 'direct: driver and executors fetch; driver: the driver fetches and serves the executors (default: direct)',
  },
  { name: 'host-alias', value: 'IP=NAMES', many: true, help: 'names for an address, for /etc/hosts of all pods' },
]

const ownOptions: readonly Option[] = [
  ...podOptions,
  { name: 'spark-version', value: 'VERSION', help: 'of the image, where its tag does not say it' },
]

export const noGate: Option = {
  name: 'no-gate',
  help: 'create the pod without a scheduling gate, where those cannot be had',
}

const applyOptions: readonly Option[] = [
  {
    name: 'owner',
    value: 'KIND/NAME',
    help: 'what the driver goes with: the Job in which this runs; with --owner-uid',
  },
  { name: 'owner-uid', value: 'UID', help: 'the uid of that owner' },
  { name: 'no-wait', help: 'end when the driver may start' },
  { name: 'follow', help: "write the driver's log" },
  {
    name: 'on-interrupt',
    value: 'WHAT',
    choices: ['ask', 'detach', 'stop'],
    default: 'ask',
    help: 'what ctrl-c or SIGTERM does to a driver that is there; ask means stop where there is no terminal',
  },
  noGate,
  { name: 'dry-run', help: 'print the objects, stage and create nothing' },
]

export const submitOptions: readonly Option[] = [
  ...sparkOptions,
  ...ownOptions,
  ...applyOptions,
  ...clusterOptions,
  tokenFile,
  caFile,
  quiet,
  json,
  logLevel,
]

export const doctorOptions: readonly Option[] = [
  { name: 'probe', help: 'look from inside the cluster too, with pods that are removed at once' },
  ...sparkOptions,
  ...ownOptions,
  ...clusterOptions,
  tokenFile,
  caFile,
  quiet,
  json,
  logLevel,
]
