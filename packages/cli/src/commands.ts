/** The commands, each written once: help, parsing, completion and the manual come from here. */
import { injectOptions } from './inject-options.ts'
import { connectionOptions, json, logLevel, namespace, type Option, quiet, secretFile } from './options.ts'
import { serveOptions } from './serve-options.ts'
import { copyStoreOptions, verifyStoreOptions } from './store-options.ts'
import { clusterOptions, doctorOptions, submitOptions } from './submit-options.ts'
import { wrapOptions } from './wrap-options.ts'

export interface Command {
  /** One or two words. */
  readonly name: string
  readonly summary: string
  /** The positional arguments as help shows them. */
  readonly usage: string
  readonly positionalsMin: number
  readonly positionalsMax: number
  readonly options: readonly Option[]
  /** Paragraphs for help and the manual. */
  readonly details: readonly string[]
  readonly examples: readonly string[]
  /** The program reads its arguments itself, because a failure to read them has to end where it tells of all failures. */
  readonly readsArguments?: true
  /** It answers --help itself too, because behind its first argument that is somebody else's option. */
  readonly readsHelp?: true
  /** What the first ctrl-c does; said to whoever pressed it. */
  readonly onStop?: string
}

const any = Number.POSITIVE_INFINITY
const resourceAccess = 'Without --secret-file, the token of --token-file must have the right to it.'

export const commands: readonly Command[] = [
  {
    name: 'serve',
    summary: 'run the staging server',
    usage: '',
    positionalsMin: 0,
    positionalsMax: 0,
    options: serveOptions,
    details: [
      'Every setting has a key in the configuration file too: limits-file-bytes-max is limits.fileBytesMax. Flags win over the environment, it over the file. Sizes are written 64Gi, durations 30s. Without a cluster (--kube none) nothing is collected for its owner’s absence.',
      'SIGTERM or ctrl-c: not ready, no new uploads, transfers under way finish, then it ends. A second one ends it at once.',
    ],
    examples: ['supercargo serve --store ./store', 'supercargo serve --config /etc/supercargo/server.yaml'],
    onStop: 'finishing what is under way',
  },
  {
    name: 'stage',
    summary: 'put files on the staging server',
    usage: 'PATH…',
    positionalsMin: 1,
    positionalsMax: any,
    options: [
      namespace,
      {
        name: 'owner',
        value: 'KIND/NAME',
        many: true,
        help: 'an object whose existence keeps the files; with --owner-uid or --owner-label, KIND alone',
      },
      { name: 'owner-uid', value: 'UID', help: "the owner's uid" },
      {
        name: 'owner-label',
        value: 'KEY=VALUE',
        many: true,
        help: 'owners are the objects that carry all these labels',
      },
      { name: 'secret-file', value: 'FILE', help: 'write the secret into a new file (mode 0600) and not to stdout' },
      ...connectionOptions,
    ],
    details: [
      'PATH is a file, a directory (its files, named relative to it), or TARGET=PATH to choose the name inside the resource. Only what the server lacks is sent.',
      'KIND is written as in a manifest; a kind that Kubernetes and Spark do not bring is written with its version: group/v1/KIND/NAME. Without any owner, pods that carry a fresh label own the files, and the label is printed.',
    ],
    examples: [
      'supercargo stage app.jar lib/ -n spark --owner Pod/driver --secret-file ./secret',
      'supercargo stage spark-jars=lib/ spark-files/log4j2.properties=conf/log4j2.properties -n spark',
      'supercargo stage app.jar -n spark --token-file <(kubectl create token ci -n spark --audience supercargo)',
    ],
    onStop: 'dropping the unfinished upload',
  },
  {
    name: 'fetch',
    summary: 'get the same bytes back, verified',
    usage: 'ID [PATH…]',
    positionalsMin: 1,
    positionalsMax: any,
    options: [{ name: 'to', value: 'DIRECTORY', help: 'where the files appear' }, secretFile, ...connectionOptions],
    details: [
      'PATH is a file or a folder of the resource; without one, everything is fetched. Files that are there already with the same bytes are left alone. A transfer that was cut goes on where it stopped, also in a later run.',
      'Without --secret-file, the token of --token-file must be that of a pod to which the resource belongs.',
    ],
    examples: ['supercargo fetch ID --to ./jars --secret-file ./secret'],
    onStop: 'what has come of unfinished files stays for the next run',
  },
  {
    name: 'localize',
    summary: 'make dependencies appear in a pod, as a plan says',
    usage: 'PLAN',
    positionalsMin: 1,
    positionalsMax: 1,
    options: [
      { name: 'termination-log', value: 'FILE', help: 'where the reason of a failure goes (/dev/termination-log)' },
      { name: 'memory-budget', value: 'SIZE', help: 'at most this much memory for buffers' },
      quiet,
      json,
    ],
    details: ['PLAN is a JSON plan, or the spark-init.properties of the 2017 init-container.'],
    examples: ['supercargo localize /etc/supercargo/plan.json'],
    readsArguments: true,
    onStop: 'what has come so far stays for the next run',
  },
  {
    name: 'submit',
    summary: 'run a Spark application in the cluster',
    usage: 'APPLICATION [ARGUMENT…]',
    positionalsMin: 1,
    positionalsMax: any,
    options: submitOptions,
    details: [
      'Takes the arguments of spark-submit. APPLICATION is a jar, a Python file or an R file. It and what --jars, --files, --py-files and --archives name may be files of this machine, which are staged; local:///path, which is in the image; or an http, s3a or hdfs address, which the pods fetch. Anything else is left to Spark. What stands behind APPLICATION is its own.',
      'No JVM and no Spark is needed here. spark-defaults.conf is read from SPARK_CONF_DIR or SPARK_HOME/conf; options win over --conf, it over the properties file.',
      "The command ends with the driver's exit code. On a terminal ctrl-c asks whether to detach or to stop the driver; elsewhere it stops it, unless --on-interrupt says otherwise.",
    ],
    examples: [
      'supercargo submit --class com.example.Main --jars lib/a.jar,s3a://b/c.jar app.jar 1000',
      'supercargo submit --py-files greeting.py --follow main.py',
      'supercargo submit --dry-run --class com.example.Main app.jar',
    ],
    readsArguments: true,
    readsHelp: true,
    onStop: 'the driver is asked about first',
  },
  {
    name: 'inject',
    summary: 'bring files into the pods of a manifest',
    usage: '',
    positionalsMin: 0,
    positionalsMax: 0,
    options: injectOptions,
    details: [
      'Reads a stream of YAML documents and prints it with what the pods need to get the files: an init-container, volumes, mounts, a ConfigMap and a Secret. Kinds: Pod, Job, CronJob, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, SparkApplication of both operators, ScheduledSparkApplication. Everything else passes through as it is; comments and the order of keys survive.',
      'The files are in spark-jars/, spark-files/, py-files/ and archives/ below --root. In a SparkApplication the local entries of the application and its dependencies are files of this machine too, and what Spark is told about them is rewritten. Relative paths begin in the current directory.',
      'Run again with the same files it changes nothing and stages nothing. The files are kept as long as the workload is there. Until it is, they wait half an hour: apply the manifest before. It holds a Secret, which goes with kubectl delete -f; with --apply it belongs to the workload.',
    ],
    examples: [
      "supercargo inject -f cronjob.yaml --jars 'lib/*.jar' --files settings.txt --apply",
      'supercargo inject -f sparkapplication.yaml -o injected.yaml',
      'helm template . | supercargo inject -f - --only Deployment/server --jars plugin.jar | kubectl apply -f -',
    ],
    onStop: 'dropping what nothing uses yet',
  },
  {
    name: 'wrap',
    summary: 'run your own Spark with what its pods need',
    usage: '[--] COMMAND [ARGUMENT…]',
    positionalsMin: 1,
    positionalsMax: any,
    options: wrapOptions,
    details: [
      'COMMAND is spark-submit, spark-shell, pyspark, spark-sql, or a script that passes their options on. Its arguments are rewritten in place: local files are staged, the pods get them by an init-container in pod templates (your own are kept), and the command runs with your terminal. It ends with the exit code of the command, and in cluster mode with that of the driver, which spark-submit does not tell.',
      'In cluster mode jars are localized by driver and executors; files, modules and archives are read by the driver from the staging server. In client mode the driver reads your files where they are, the executors localize the jars, and the driver serves the rest. Inside a pod the executors belong to that pod and find it by a headless Service, which is made where none is there (spark.driver.host names another).',
      'A command whose arguments name another master than k8s://…, and a script whose arguments and --master name none, is run as it is: Spark distributes its files itself.',
    ],
    examples: [
      'supercargo wrap -- spark-submit --deploy-mode cluster --class com.example.Main --jars lib/a.jar app.jar 1000',
      'supercargo wrap -- pyspark --jars lib/a.jar',
      'supercargo wrap --print -- spark-submit --master k8s://https://cluster:6443 app.jar',
    ],
    readsArguments: true,
    readsHelp: true,
    onStop: 'what was staged is released',
  },
  {
    name: 'status',
    summary: 'how drivers are',
    usage: '[NAME]',
    positionalsMin: 0,
    positionalsMax: 1,
    options: [...clusterOptions, quiet, json, logLevel],
    details: [
      'NAME is a driver’s pod, NAMESPACE:POD, the id or the name of an application; * at its end stands for anything. Without it, all drivers of the namespace are listed, whoever submitted them.',
    ],
    examples: ['supercargo status -n spark', 'supercargo status etl -n spark'],
  },
  {
    name: 'logs',
    summary: 'the log of a driver',
    usage: 'NAME',
    positionalsMin: 1,
    positionalsMax: 1,
    options: [
      { name: 'follow', short: 'f', help: 'go on until the driver ends' },
      { name: 'tail', value: 'LINES', help: 'only the last lines' },
      { name: 'container', value: 'CONTAINER', help: 'another container of the pod, such as supercargo-localize' },
      ...clusterOptions,
      quiet,
      json,
      logLevel,
    ],
    details: ['NAME as in status; of several drivers of one name, the youngest.'],
    examples: ['supercargo logs etl -f', 'supercargo logs etl --container supercargo-localize'],
  },
  {
    name: 'kill',
    summary: 'stop a driver, with everything that belongs to it',
    usage: 'NAME',
    positionalsMin: 1,
    positionalsMax: 1,
    options: [...clusterOptions, quiet, json, logLevel],
    details: ['NAME as in status. Its executors, its objects and its staged files go with it.'],
    examples: ['supercargo kill etl -n spark', "supercargo kill 'spark:etl-*'"],
  },
  {
    name: 'doctor',
    summary: 'what would fail, and what to do about it',
    usage: '[APPLICATION [ARGUMENT…]]',
    positionalsMin: 0,
    positionalsMax: any,
    options: doctorOptions,
    details: [
      'Takes what submit takes, and looks at the staging server, the cluster, rights, images, quotas, and at the names of what is to be submitted. With --probe a pod tries the staging server, and another looks for what local: names. Ends with 1 when something would fail.',
    ],
    examples: ['supercargo doctor --probe', 'supercargo doctor --class com.example.Main --jars lib/a.jar app.jar'],
    readsArguments: true,
    readsHelp: true,
  },
  {
    name: 'resources list',
    summary: 'what is staged, by whom, why it is kept',
    usage: '',
    positionalsMin: 0,
    positionalsMax: 0,
    options: [namespace, ...connectionOptions],
    details: [],
    examples: ['supercargo resources list -n spark'],
  },
  {
    name: 'resources show',
    summary: 'the files of a resource',
    usage: 'ID',
    positionalsMin: 1,
    positionalsMax: 1,
    options: [secretFile, ...connectionOptions],
    details: [resourceAccess],
    examples: ['supercargo resources show ID --secret-file ./secret'],
  },
  {
    name: 'resources explain',
    summary: 'why a resource is kept or collected',
    usage: 'ID',
    positionalsMin: 1,
    positionalsMax: 1,
    options: [secretFile, ...connectionOptions],
    details: [resourceAccess],
    examples: ['supercargo resources explain ID --secret-file ./secret'],
  },
  {
    name: 'resources release',
    summary: 'delete a resource now',
    usage: 'ID',
    positionalsMin: 1,
    positionalsMax: 1,
    options: [secretFile, ...connectionOptions],
    details: [resourceAccess],
    examples: ['supercargo resources release ID --secret-file ./secret'],
  },
  {
    name: 'collector status',
    summary: 'the last sweep, what is stopped and why',
    usage: '',
    positionalsMin: 0,
    positionalsMax: 0,
    options: [...connectionOptions],
    details: [],
    examples: ['supercargo collector status'],
  },
  {
    name: 'collector release',
    summary: 'let a stopped sweep go on, once',
    usage: '',
    positionalsMin: 0,
    positionalsMax: 0,
    options: [...connectionOptions],
    details: [],
    examples: ['supercargo collector release'],
  },
  {
    name: 'store verify',
    summary: 'whether every byte of a store is as it was staged',
    usage: '',
    positionalsMin: 0,
    positionalsMax: 0,
    options: verifyStoreOptions,
    details: [
      'Reads every record, every name and every blob, and compares sizes and digests. Names what is damaged and whose it is; what is only left over costs room and does no harm. Ends with 65 when something is damaged.',
      'Nothing is deleted. A blob that --repair has taken out of use is missing: its resources cannot be fetched until somebody stages the same file in the namespace again, which puts it back for all of them. In a bucket its bytes stay where they were until the servers find, after a day, that nothing leads to them.',
    ],
    examples: [
      'supercargo store verify --store /var/lib/supercargo --read-only',
      'supercargo store verify --store s3://spark-cargo/production',
    ],
    onStop: 'nothing has been changed',
  },
  {
    name: 'store copy',
    summary: 'bring all of a store into another',
    usage: '',
    positionalsMin: 0,
    positionalsMax: 0,
    options: copyStoreOptions,
    details: [
      'Ids, secrets, owners, capabilities, times, names, tokens and the memory of the collector stay as they are, so clients and pods notice nothing. Every byte is verified on its way. Run again after it was stopped, it goes on where it was. What is damaged is named and left out; then it ends with 65.',
      'Uploads that are not committed stay behind. Point the server at the new store when the copy has ended.',
      'A running server keeps a directory locked; a bucket nobody locks, so stop all its servers first. The options of the bucket, and its credentials, are as for serve. From one bucket to another they hold for both: where the two are asked in different ways, copy to a directory and from there.',
    ],
    examples: [
      'supercargo store copy --from /var/lib/supercargo --to /mnt/larger/supercargo',
      'supercargo store copy --from /var/lib/supercargo --to s3://spark-cargo/production',
    ],
    onStop: 'what has been copied stays for the next run',
  },
  {
    name: 'token create',
    summary: 'a path to which stock Spark uploads',
    usage: '',
    positionalsMin: 0,
    positionalsMax: 0,
    options: [
      namespace,
      {
        name: 'expires-in',
        value: 'DURATION',
        help: 'after this (30d) nothing can be added; what is there stays readable',
      },
      { name: 'bytes-max', value: 'SIZE', help: 'as much may be stored below it at one time' },
      { name: 'note', value: 'TEXT', help: 'for whom or what it is' },
      { name: 'path-file', value: 'FILE', help: 'write the path into a new file (mode 0600) and not to stdout' },
      ...connectionOptions,
    ],
    details: [
      'Prints the value of spark.kubernetes.file.upload.path: spark-submit then uploads to the staging server, and the driver reads from it. The path holds the token and is a secret; Spark shows it in the configuration of the driver and in its log.',
      'A directory claim=VALUE behind it says whose the files are: the pods with the label supercargo.io/claim=VALUE. Without it, the driver that reads them.',
    ],
    examples: [
      'supercargo token create -n spark',
      'supercargo token create -n spark --expires-in 30d --bytes-max 20Gi --note nightly',
    ],
  },
  {
    name: 'token list',
    summary: 'the tokens, what is stored below each, when they end',
    usage: '',
    positionalsMin: 0,
    positionalsMax: 0,
    options: [namespace, ...connectionOptions],
    details: [],
    examples: ['supercargo token list -n spark'],
  },
  {
    name: 'token revoke',
    summary: 'end a token, for reading too',
    usage: 'NAME',
    positionalsMin: 1,
    positionalsMax: 1,
    options: [...connectionOptions],
    details: ['What was uploaded with it can no longer be reached, and is collected when its owner is gone.'],
    examples: ['supercargo token revoke 0123456789ab'],
  },
  {
    name: 'completion',
    summary: 'print a completion script for a shell',
    usage: 'bash|zsh|fish',
    positionalsMin: 1,
    positionalsMax: 1,
    options: [],
    details: [],
    examples: [
      'source <(supercargo completion bash)',
      'supercargo completion fish > ~/.config/fish/completions/supercargo.fish',
    ],
  },
  {
    name: 'manual',
    summary: 'print the manual page',
    usage: '[COMMAND]',
    positionalsMin: 0,
    positionalsMax: 2,
    options: [{ name: 'roff', help: 'as a source for man(1)' }],
    details: [],
    examples: ['supercargo manual stage', 'supercargo manual --roff | man -l -'],
  },
]
