/** What inject refuses, with the line; and what it keeps, changes and stages when it runs again. */
import { expect, it } from 'vitest'
import { example, injectPlace, testSecret } from '../testing/inject/place.ts'
import { checkRoot } from './root.ts'

const pod = (rest = '', container = ''): string => `apiVersion: v1
kind: Pod
metadata:
  name: one
spec:
  containers:
    - name: a
      image: x
${container}${rest}`
const jars = { given: { jars: ['app.jar'] } }

it.each([
  ['text that is no YAML', 'a: [', {}, 'bad-manifest', /some.yaml:1/],
  ['a template', `${pod()}  {{- if .x }}\n`, {}, 'bad-manifest', /some.yaml:9/],
  ['two keys of one name', 'apiVersion: v1\nkind: Pod\nkind: Job\n', {}, 'bad-manifest', /some.yaml:3/],
  ['no pods', 'kind: Service\napiVersion: v1\nmetadata: {name: a}\n', {}, 'nothing-to-inject', /Service/],
  ['nothing at all', '', {}, 'nothing-to-inject', /no object/],
  [
    'a version that is gone',
    '---\nkind: CronJob\napiVersion: batch/v1beta1\nmetadata: {name: a}\n',
    {},
    'unknown-version',
    /:2/,
  ],
  ['no name', 'kind: Job\napiVersion: batch/v1\nmetadata:\n  generateName: a-\n', {}, 'workload-without-name', /:4/],
  ['a List', `apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n`, {}, 'manifest-list', /:1/],
  ['no containers', 'kind: Pod\napiVersion: v1\nmetadata: {name: a}\n', {}, 'bad-manifest', /spec.containers/],
  [
    'containers that are no list',
    'kind: Pod\napiVersion: v1\nmetadata: {name: a}\nspec: {containers: b}\n',
    {},
    'bad-manifest',
    /:4/,
  ],
  ['another container', pod(), { container: 'b' }, 'no-such-container', /:7/],
  ['another workload', pod(), { only: ['Pod/on'] }, 'no-such-workload', /Pod\/on/],
  [
    'a mount where the files go',
    pod('', '      volumeMounts: [{name: v, mountPath: /var/spark-data/}]\n'),
    {},
    'mount-taken',
    /:9/,
  ],
  [
    'a mount inside',
    pod('', '      volumeMounts: [{name: v, mountPath: /var/spark-data/x}]\n'),
    {},
    'mount-taken',
    /:9/,
  ],
  ['a working directory there', pod('', '      workingDir: /var/spark-data/x\n'), {}, 'inside-working-directory', /:9/],
  [
    'an alias',
    `${pod('', '      volumeMounts: &m []\n')}    - {name: b, image: y, volumeMounts: *m}\n`,
    {},
    'manifest-alias',
    /:10/,
  ],
  ['no file', pod(), { given: {} }, 'nothing-to-inject', /no file/],
  ['a missing file', pod(), { given: { jars: ['no.jar'] } }, 'dependency-missing', /no.jar/],
  ['a file of the image', pod(), { given: { jars: ['local:///opt/a.jar'] } }, 'not-fetched', /in the image already/],
  ['an unknown scheme', pod(), { given: { jars: ['gs://a/b.jar'] } }, 'not-fetched', /cannot fetch/],
  ['equal names', pod(), { given: { jars: ['app.jar', 's3a://x/app.jar'] } }, 'equal-names', /app.jar/],
  [
    'several namespaces',
    `${pod()}---\n${pod().replace('name: one', 'name: one\n  namespace: other')}`,
    {},
    'several-namespaces',
    /namespaces/,
  ],
] as const)('refuses %s before anything is staged', async (_, text, options, code, message) => {
  await using place = await injectPlace()
  await place.file('app.jar')
  const refused = place.inject(text, { ...jars, ...options })
  await expect(refused).rejects.toMatchObject({ code })
  await expect(place.show(text, { ...jars, ...options })).rejects.toThrow(message)
  expect(place.staging.resources.size).toBe(0)
})

it('names the line of the manifest whose file is missing', async () => {
  await using place = await injectPlace()
  const refused = place.inject(await example('sparkapplication'))
  await expect(refused).rejects.toMatchObject({
    message: expect.stringMatching(/mainApplicationFile of SparkApplication etl/),
  })
})

it.each(['', 'relative', '/', '/etc', '/opt/spark/work-dir/x', '/a,b', '/a/..'])('the root cannot be %j', (root) => {
  expect(() => checkRoot(root)).toThrow('the files cannot appear')
})

it('leaves every other document as it was, byte for byte', async () => {
  await using place = await injectPlace()
  await place.file('app.jar')
  const first = '# strange   spacing\n"kind":   Service\nx: {a: 1 ,b:  0644}\n...\n'
  const last = '--- # the end\nkind:    ConfigMap\r\ndata: {on: yes}'
  const { manifest } = await place.inject(`${first}---\n${pod()}${last}`, jars)
  expect(manifest.startsWith(first)).toBe(true)
  expect(manifest.endsWith(`${last}\n`)).toBe(true)
})

it('keeps the spelling of every value', async () => {
  await using place = await injectPlace()
  await place.file('app.jar')
  const env = '      env: [{name: A, value: "1"}, {name: B, value: \'on\'}] # quoted\n'
  const rest =
    '  hostNetwork: no\n  activeDeadlineSeconds: 0x10\n  volumes:\n  - {name: v, emptyDir: {}}\n  - name: s\n    secret: {secretName: s, defaultMode: 0400}\n'
  const { manifest } = await place.inject(pod(rest, env), jars)
  for (const line of `${env}${rest}`.trimEnd().split('\n')) expect(manifest).toContain(line.trim())
})

it('writes a value that is not there so that readers of YAML 1.1 see none', async () => {
  await using place = await injectPlace()
  await place.file('app.jar')
  const { manifest } = await place.inject(pod('  volumes: [{name: v, emptyDir: }]\n'), jars)
  expect(manifest).toContain('{name: v, emptyDir: null}')
})

it('keeps Windows line ends in the documents that have them', async () => {
  await using place = await injectPlace()
  await place.file('app.jar')
  const { manifest } = await place.inject(pod().replaceAll('\n', '\r\n'), jars)
  expect(manifest.slice(manifest.indexOf('kind: Pod'))).not.toMatch(/[^\r]\n/)
})

it('reads JSON', async () => {
  await using place = await injectPlace()
  await place.file('app.jar')
  const json = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: { containers: [{ name: 'a' }] } }
  const { manifest } = await place.inject(JSON.stringify(json, undefined, 2), jars)
  expect((await place.inject(manifest, jars)).manifest).toBe(manifest)
})

it('stages again when a file has changed, under other names, so that what runs keeps its own', async () => {
  await using place = await injectPlace()
  await place.file('app.jar')
  const before = await place.inject(pod(), jars)
  await place.file('app.jar', 'other bytes')
  const after = await place.inject(before.manifest, jars)
  expect(after.resourceId).not.toBe(before.resourceId)
  const name = /one-supercargo-[0-9a-f]{8}/g
  const names = new Set(after.manifest.match(name))
  expect(names.size).toBe(1)
  expect(names).not.toEqual(new Set(before.manifest.match(name)))
  expect(after.manifest.match(/^kind: Secret$/gm)).toHaveLength(1)
})

it('stages again when the resource has gone', async () => {
  await using place = await injectPlace()
  await place.file('app.jar')
  const before = await place.inject(pod(), jars)
  place.staging.resources.clear()
  expect((await place.inject(before.manifest, jars)).sentBytes).toBe(1)
})

it('with one file less is what it would have been without it', async () => {
  await using place = await injectPlace()
  for (const file of ['app.jar', 'main.py', 'dep.jar', 'greeting.py']) await place.file(file)
  const text = (await example('scheduled')).replace('"@every 1h"', "'@every 1h' # often")
  const less = await place.inject(text, {})
  place.staging.resources.clear()
  const more = await place.inject(text, { given: { jars: ['dep.jar'], 'py-files': ['greeting.py'] } })
  expect(more.manifest).toMatch(/executor:[\s\S]*supercargo-localize/)
  place.staging.resources.clear()
  expect((await place.inject(more.manifest, {})).manifest).toBe(less.manifest)
})

it('with another container takes the files away from the one before', async () => {
  await using place = await injectPlace()
  await place.file('dep.jar')
  const text = await example('deployment')
  const options = { given: { jars: ['dep.jar'] } }
  const one = await place.inject(text, { ...options, container: 'server' })
  const all = await place.inject(one.manifest, options)
  expect((await place.inject(all.manifest, { ...options, container: 'server' })).manifest).toBe(one.manifest)
})

it('keeps the files of several workloads for each of them, and adds one that came later', async () => {
  await using place = await injectPlace()
  await place.file('app.jar')
  const two = `${pod()}---\n${pod().replace('name: one', 'name: two')}`
  const first = await place.inject(two, { ...jars, only: ['Pod/one'] })
  const owners = () => place.staging.resources.get(first.resourceId!)!.owner.map(({ name }) => name)
  expect(owners()).toEqual(['one'])
  const both = await place.inject(first.manifest, jars)
  expect(both.sentBytes).toBeUndefined()
  expect(owners()).toEqual(['one', 'two'])
  expect(both.manifest.match(/^kind: Secret$/gm)).toHaveLength(2)
})

it('never takes the files away from a workload that is not meant this time', async () => {
  await using place = await injectPlace()
  await place.file('app.jar')
  const two = `${pod()}---\n${pod().replace('name: one', 'name: two')}`
  const both = await place.inject(two, jars)
  const resource = place.staging.resources.get(both.resourceId!)!
  place.staging.resources.set(both.resourceId!, {
    ...resource,
    owner: resource.owner.map((owner) => ({ ...owner, uid: `uid-of-${owner.name}` })),
  })
  await place.inject(both.manifest, { ...jars, only: ['Pod/one'] })
  const owners = place.staging.resources.get(both.resourceId!)!.owner
  // Whoever applies the printed manifest may make another object of that name.
  expect(owners.map(({ name, uid }) => [name, uid])).toEqual([
    ['two', 'uid-of-two'],
    ['one', undefined],
  ])
})

it('never says the secret but in the Secret', async () => {
  await using place = await injectPlace()
  await place.file('app.jar')
  const { manifest } = await place.inject(pod(), jars)
  expect(manifest).not.toContain(testSecret)
  expect(manifest.split(Buffer.from(testSecret).toString('base64'))).toHaveLength(2)
})
