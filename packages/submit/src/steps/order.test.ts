/** Every object that a submission creates, in golden files; and that steps add without contradiction. */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { objectsAsYaml } from '../shown-objects.ts'
import { setProperty } from '../spec.ts'
import { testSecret, workplace } from '../testing/submission.ts'
import { render, steps } from './order.ts'

const image4 = ['--conf', 'spark.kubernetes.container.image=apache/spark:4.1.2']
const image3 = ['--conf', 'spark.kubernetes.container.image=apache/spark:3.5.8']
const java = [
  '--class',
  'com.example.Main',
  '--jars',
  'lib/dep.jar',
  '--files',
  'settings.txt',
  'app.jar',
  '1000',
  '$(HOME)',
]

interface Golden {
  readonly name: string
  readonly argv: readonly string[]
  readonly distribution?: string
  readonly files?: Readonly<Record<string, string>>
  readonly environment?: (directory: string) => Record<string, string>
}

const goldens: readonly Golden[] = [
  { name: 'java-direct-spark-4', argv: [...image4, ...java] },
  { name: 'java-direct-spark-3', argv: [...image3, ...java] },
  { name: 'java-driver-spark-4', argv: [...image4, ...java], distribution: 'driver' },
  { name: 'java-in-image', argv: [...image4, '--class', 'com.example.Main', 'local:///opt/app/app.jar'] },
  {
    name: 'python-spark-4',
    argv: [
      ...image4,
      '--py-files',
      'greeting.py,pkg.zip',
      '--archives',
      'env.tar.gz#env',
      '--files',
      'settings.txt',
      'main.py',
      'a b',
    ],
  },
  { name: 'r-spark-4', argv: [...image4, 'main.R'] },
  {
    name: 'remote-and-local',
    argv: [
      ...image4,
      '--jars',
      's3a://bucket/libs/b.jar,lib/dep.jar,https://host/c.jar?signature=hidden',
      '--files',
      'hdfs://nameservice/data/d.csv,gs://bucket/e.txt',
      '--class',
      'com.example.Main',
      '--conf',
      'spark.hadoop.fs.s3a.secret.key=hidden-key',
      'app.jar',
    ],
    files: { 'hadoop/core-site.xml': '<configuration/>' },
    environment: (directory) => ({ HADOOP_CONF_DIR: join(directory, 'hadoop') }),
  },
  {
    name: 'templates-volumes-kerberos',
    argv: [
      ...image4,
      '--properties-file',
      'PROPERTIES',
      '--class',
      'com.example.Main',
      '--keytab',
      'user.keytab',
      '--principal',
      'user@EXAMPLE.ORG',
      '--proxy-user',
      'other',
      'app.jar',
    ],
    files: {
      'user.keytab': 'bytes of a keytab',
      'krb5.conf': '[libdefaults]\n',
      'driver.yaml': `apiVersion: v1
kind: Pod
metadata: {labels: {team: data}}
spec:
  priorityClassName: high
  tolerations: [{operator: Exists}]
  initContainers: [{name: warm, image: busybox}]
  containers:
  - name: sidecar
    image: envoy
  - name: main
    env: [{name: KEPT, value: "yes"}]
    volumeMounts: [{name: scratch, mountPath: /scratch}]
  volumes: [{name: scratch, emptyDir: {}}]
`,
      'executor.yaml': 'spec: {containers: [{name: exec}], priorityClassName: low}\n',
    },
  },
]

it.each(goldens)(
  'the objects of $name are those of the golden file',
  async ({ name, argv, distribution, files, environment }) => {
    await using place = await workplace()
    for (const file of [
      'app.jar',
      'lib/dep.jar',
      'settings.txt',
      'greeting.py',
      'pkg.zip',
      'env.tar.gz',
      'main.py',
      'main.R',
    ])
      await place.file(file)
    for (const [path, text] of Object.entries(files ?? {})) await place.file(path, text)
    const properties = await place.file('some.properties', kubernetesProperties)
    const submission = await place.submission(
      argv.map((word) => (word === 'PROPERTIES' ? properties : word)),
      { distribution },
      environment?.(place.directory),
    )
    const text = await objectsAsYaml(render(submission))
    await expect(text).toMatchFileSnapshot(join('..', 'testing', 'golden', `${name}.yaml`))
    for (const secret of [testSecret, 'hidden', Buffer.from(testSecret).toString('base64')])
      expect(text).not.toContain(secret)
  },
)

const kubernetesProperties = `
spark.kubernetes.driver.podTemplateFile driver.yaml
spark.kubernetes.driver.podTemplateContainerName main
spark.kubernetes.executor.podTemplateFile executor.yaml
spark.kubernetes.authenticate.driver.serviceAccountName spark
spark.kubernetes.driver.secrets.db /etc/db
spark.kubernetes.driver.secretKeyRef.DB_PASSWORD db:password
spark.kubernetes.driverEnv.MODE night
spark.kubernetes.driver.label.team data
spark.kubernetes.driver.annotation.run {{APP_ID}}
spark.kubernetes.driver.volumes.persistentVolumeClaim.out.mount.path /out
spark.kubernetes.driver.volumes.persistentVolumeClaim.out.options.claimName OnDemand
spark.kubernetes.driver.volumes.persistentVolumeClaim.out.options.storageClass fast
spark.kubernetes.driver.volumes.persistentVolumeClaim.out.options.sizeLimit 10Gi
spark.kubernetes.driver.volumes.hostPath.logs.mount.path /logs
spark.kubernetes.driver.volumes.hostPath.logs.mount.readOnly true
spark.kubernetes.driver.volumes.hostPath.logs.options.path /var/log
spark.kubernetes.driver.volumes.nfs.home.mount.path /home
spark.kubernetes.driver.volumes.nfs.home.options.server nfs.example
spark.kubernetes.driver.volumes.nfs.home.options.path /export
spark.kubernetes.driver.volumes.emptyDir.spark-local-dir-1.mount.path /fast
spark.kubernetes.driver.volumes.emptyDir.spark-local-dir-1.options.medium Memory
spark.kubernetes.kerberos.krb5.path krb5.conf
spark.kubernetes.node.selector.disk ssd
spark.kubernetes.container.image.pullSecrets pull
spark.kubernetes.driver.request.cores 200m
spark.kubernetes.driver.limit.cores 2
spark.driver.resource.gpu.amount 1
spark.driver.resource.gpu.vendor nvidia.com
spark.driver.memory 4g
spark.jars.packages org.example:thing:1
`

it('two steps that say different things about one place are named', async () => {
  await using place = await workplace()
  await place.file('app.jar')
  const submission = await place.submission([...image4, '--class', 'A', 'app.jar'])
  const other = { name: 'another step', apply: (spec: never) => setProperty(spec, 'spark.driver.host', 'elsewhere') }
  expect(() => render(submission, [...steps.slice(0, -1), other, steps.at(-1)!] as never)).toThrow(
    "the driver's Service and another step disagree about the property spark.driver.host",
  )
})

it('a template that mounts something where the files go is named', async () => {
  await using place = await workplace()
  await place.file('app.jar')
  await place.file(
    't.yaml',
    'spec: {containers: [{name: a, volumeMounts: [{name: x, mountPath: /var/spark-data}]}], volumes: [{name: x, emptyDir: {}}]}',
  )
  const argv = [...image4, '--conf', 'spark.kubernetes.driver.podTemplateFile=t.yaml', '--class', 'A', 'app.jar']
  const submission = await place.submission(argv)
  expect(() => render(submission)).toThrow(
    'the pod template and the init-container disagree about the mount /var/spark-data',
  )
})
