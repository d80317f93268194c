/** What inject makes of each kind, in golden files; and that a second run changes not one byte. */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { example, type InjectOptions, type InjectPlace, injectPlace, testSecret } from '../testing/inject/place.ts'

interface Golden {
  readonly name: string
  readonly text?: string
  readonly options: InjectOptions
}

const container = 'spec:\n      containers:\n        - name: main\n          image: app\n'
const workload = (apiVersion: string, kind: string): string => `apiVersion: ${apiVersion}
kind: ${kind}
metadata:
  name: some
  namespace: spark
spec:
  selector: {matchLabels: {app: some}}
  template:
    metadata: {labels: {app: some}}
    ${container}`

const goldens: readonly Golden[] = [
  { name: 'job', options: { given: { jars: ['app.jar'] } } },
  { name: 'cronjob', options: { given: { jars: ['app.jar', 'lib/*.jar'], files: ['settings.txt'] } } },
  { name: 'deployment', options: { container: 'server', given: { jars: ['lib/dep.jar'] } } },
  { name: 'sparkapplication', options: {} },
  { name: 'scheduled', options: { given: { 'py-files': ['greeting.py'], archives: ['env.tar.gz#env'] } } },
  { name: 'apache-sparkapplication', options: { given: { jars: ['lib/dep.jar', 's3a://bucket/other.jar'] } } },
  {
    name: 'apache-python',
    options: { given: { files: ['settings.txt'], 'py-files': ['local:///opt/x.zip'] } },
    text: `apiVersion: spark.apache.org/v1beta1
kind: SparkApplication
metadata: {name: py}
spec: {pyFiles: main.py, sparkConf: {spark.submit.pyFiles: greeting.py}}
`,
  },
  {
    name: 'pod',
    options: {
      given: { jars: ['app.jar', 's3a://bucket/dep.jar'], files: ['https://host.example/data.csv'] },
      root: '/data',
      authority: 'PEM',
      conf: { 'spark.hadoop.fs.s3a.access.key': 'some-key', 'spark.kubernetes.hadoop.configMapName': 'hadoop' },
    },
    text: `# A pod of four spaces.
apiVersion: v1
kind: Pod
metadata:
    name: one   # the only one
spec:
    securityContext: {runAsUser: 0}
    containers:
        - name: a
          image: "x"
          volumeMounts: []
        - {name: b, image: y}
    volumes:
`,
  },
  ...[
    ['apps/v1', 'StatefulSet'],
    ['apps/v1', 'DaemonSet'],
    ['apps/v1', 'ReplicaSet'],
    ['v1', 'ReplicationController'],
  ].map(([apiVersion, kind]) => ({
    name: kind!.toLowerCase(),
    text: workload(apiVersion!, kind!),
    options: { given: { jars: ['app.jar'] } },
  })),
]

async function filled(): Promise<InjectPlace> {
  const place = await injectPlace()
  const files = ['app.jar', 'lib/dep.jar', 'lib/other.jar', 'settings.txt', 'greeting.py', 'main.py', 'env.tar.gz']
  for (const file of files) await place.file(file)
  return place
}

it.each(goldens)('$name becomes its golden file, and a second run changes nothing', async ({ name, text, options }) => {
  await using place = await filled()
  const before = text ?? (await example(name))
  const { manifest } = await place.inject(before, options)
  await expect(manifest).toMatchFileSnapshot(join('..', 'testing', 'golden', 'inject', `${name}.yaml`))
  const again = await place.inject(manifest, options)
  expect(again.manifest).toBe(manifest)
  expect(again.sentBytes).toBeUndefined()
  expect(place.staging.calls.filter((call) => call === 'stage')).toHaveLength(1)
  for (const comment of before.match(/#.*$/gm) ?? []) expect(manifest).toContain(comment)
})

it.each(goldens)('a dry run shows $name without a secret, and stages nothing', async ({ name, text, options }) => {
  await using place = await filled()
  const shown = await place.show(text ?? (await example(name)), options)
  expect(place.staging.calls).toEqual([])
  for (const secret of [testSecret, Buffer.from(testSecret).toString('base64'), 'some-key'])
    expect(shown).not.toContain(secret)
})
