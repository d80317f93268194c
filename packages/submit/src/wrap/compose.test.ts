/** What a wrapped command becomes, for each command and each place of the driver; real files, and the ids of a test. */
import { Secret } from '@supercargo/protocol'
import { describe, expect, it } from 'vitest'
import { type Workplace, workplace } from '../testing/submission.ts'
import { type Composed, compose, type Known } from './compose.ts'
import { type PreparedWrap, prepareWrap } from './prepare.ts'

const master = ['--master', 'k8s://https://cluster:6443']
const cluster = [...master, '--deploy-mode', 'cluster']
const own = {
  server: 'http://staging:10000',
  podServer: undefined,
  caFile: undefined,
  initImage: 'init:1',
  distribution: undefined,
  sparkVersion: undefined,
  hostAliases: [],
  namespace: 'spark',
  owner: undefined,
}
const known: Known = {
  staged: { resourceId: 'a'.repeat(26), secret: new Secret('test-resource-secret') },
  capability: 'http://staging:10000/c/token/',
  here: undefined,
  gate: true,
}

function prepared(
  place: Workplace,
  words: readonly string[],
  given: Partial<typeof own> & { readonly master?: string; readonly deployMode?: string } = {},
  environment = {},
): Promise<PreparedWrap> {
  return prepareWrap({
    words,
    own: { ...own, ...given },
    master: given.master,
    deployMode: given.deployMode,
    context: undefined,
    environment,
    directory: place.directory,
    temporary: '/tmp',
    connect: async () => undefined,
    nowMs: 0,
  })
}

interface Shown extends Composed {
  /** As one line, with the same ids in every run. */
  readonly line: string
  readonly file: (name: string) => string
}

async function composed(
  place: Workplace,
  words: readonly string[],
  with_: Partial<Known> = {},
  given = {},
  environment = {},
): Promise<Shown> {
  const command = await prepared(place, words, given, environment)
  if (command.kind !== 'wrapped') throw new Error(command.why)
  const { uid } = command.submission.application
  const same = (text: string) => text.replaceAll(uid, 'UID').replaceAll(place.directory, 'HERE')
  const result = compose(command, { ...known, ...with_ })
  return {
    ...result,
    line: same(result.words.join(' ')),
    links: result.links.map(({ path, target }) => ({ path: same(path), target: same(target) })),
    file: (name) => same(result.files.find(({ path }) => path.endsWith(name))!.text),
  }
}

async function filled(): Promise<Workplace> {
  const place = await workplace()
  for (const file of ['app.jar', 'main.py', 'lib/a.jar', 'lib/b.jar', 'settings.txt', 'm.py', 'env.tgz'])
    await place.file(file)
  return place
}

describe('in cluster mode', () => {
  it('jars are localized in every pod, and what else is staged is named in the properties file alone', async () => {
    await using place = await filled()
    const words = ['spark-submit', ...cluster, '--class', 'A', '--jars', 'lib/*.jar,s3a://x/c.jar,local:///opt/d.jar']
    const { line, file, objects } = await composed(place, [...words, '--files', 'settings.txt', 'app.jar', '1'])
    expect(line).toBe(
      'spark-submit --master k8s://https://cluster:6443 --deploy-mode cluster --class A --jars ' +
        'local:///var/spark-data/spark-jars/a.jar,local:///var/spark-data/spark-jars/b.jar,local:///var/spark-data/spark-jars/c.jar,local:///opt/d.jar ' +
        '--properties-file /tmp/supercargo-UID/spark.properties --conf spark.kubernetes.namespace=spark ' +
        '--conf spark.kubernetes.driver.pod.name=a-UID-driver --conf spark.kubernetes.jars.avoidDownloadSchemes=local ' +
        '--conf spark.kubernetes.driver.podTemplateFile=/tmp/supercargo-UID/driver.json ' +
        '--conf spark.kubernetes.executor.podTemplateFile=/tmp/supercargo-UID/executor.json ' +
        'local:///var/spark-data/spark-jars/app.jar 1',
    )
    expect(file('spark.properties')).toBe('spark.files=http://staging:10000/c/token/spark-files/settings.txt\n')
    expect(objects.map(({ kind }) => kind)).toEqual(['ConfigMap', 'Secret'])
    expect(objects[0]!.data).toMatchObject({ 'plan.json': expect.stringContaining('s3a://x/c.jar') })
    const driver = JSON.parse(file('driver.json'))
    expect(driver.spec.schedulingGates).toEqual([{ name: 'supercargo.io/objects' }])
    expect(driver.metadata.labels).toEqual({ 'supercargo.io/submission': expect.stringMatching(/^spark-/) })
    const executor = JSON.parse(file('executor.json'))
    expect(executor.spec.schedulingGates).toBeUndefined()
    for (const pod of [driver, executor]) {
      expect(pod.spec.initContainers[0]).toMatchObject({ name: 'supercargo-localize', image: 'init:1' })
      expect(pod.spec.containers[0].args ?? pod.spec.containers[0].image).toBeUndefined()
      expect(pod.spec.containers[0].volumeMounts).toEqual([
        { name: 'supercargo-data', mountPath: '/var/spark-data', readOnly: true },
      ])
    }
  })

  it('Python modules and archives are read by URL, the program itself is localized in the driver alone', async () => {
    await using place = await filled()
    const words = ['spark-submit', ...cluster, '--py-files', 'm.py', '--archives', 'env.tgz#env', 'main.py']
    const { line, file, files } = await composed(place, words)
    expect(line).toMatch(/ local:\/\/\/var\/spark-data\/py-files\/main\.py$/)
    expect(line).not.toContain('token')
    expect(file('spark.properties')).toBe(
      'spark.submit.pyFiles=http://staging:10000/c/token/py-files/m.py\n' +
        'spark.archives=http://staging:10000/c/token/archives/env/env.tgz#env\n',
    )
    expect(files.map(({ path }) => path.slice(path.lastIndexOf('/') + 1))).toEqual(['driver.json', 'spark.properties'])
  })

  it('the properties file keeps what the user’s own says', async () => {
    await using place = await filled()
    await place.file('mine.conf', 'spark.executor.memory 2g\nspark.files settings.txt\nspark.note a b\n')
    const words = [
      'spark-submit',
      ...cluster,
      '--properties-file',
      `${place.directory}/mine.conf`,
      '--class',
      'A',
      'app.jar',
    ]
    const { line, file } = await composed(place, words)
    expect(line).toContain('--properties-file /tmp/supercargo-UID/spark.properties')
    expect(line).not.toContain('mine.conf')
    expect(file('spark.properties')).toBe(
      'spark.executor.memory=2g\nspark.files=http://staging:10000/c/token/spark-files/settings.txt\nspark.note=a b\n',
    )
  })

  it('the user’s templates are kept, and class paths follow the jars', async () => {
    await using place = await filled()
    await place.file(
      'driver.yaml',
      'apiVersion: v1\nkind: Pod\nmetadata: {labels: {team: a}}\nspec:\n  containers:\n  - {name: side, image: s}\n  - {name: main, env: [{name: A, value: b}]}\n',
    )
    const template = [
      ...['--conf', 'spark.kubernetes.driver.podTemplateFile=driver.yaml'],
      ...['--conf', 'spark.kubernetes.driver.podTemplateContainerName=main'],
    ]
    const words = ['spark-submit', ...cluster, ...template, '--driver-class-path', 'lib/a.jar:/opt/x.jar']
    const { line, file } = await composed(place, [...words, '--class', 'A', '--jars', 'lib/a.jar', 'app.jar'])
    expect(line).toContain('--conf spark.kubernetes.driver.podTemplateFile=/tmp/supercargo-UID/driver.json')
    expect(line).toContain('--conf spark.kubernetes.driver.podTemplateContainerName=main')
    expect(line).toContain('--driver-class-path /var/spark-data/spark-jars/a.jar:/opt/x.jar')
    const { metadata, spec } = JSON.parse(file('driver.json'))
    expect(metadata.labels.team).toBe('a')
    expect(spec.containers.map(({ name }: { name: string }) => name)).toEqual(['side', 'main'])
    expect(spec.containers[1].env).toEqual([{ name: 'A', value: 'b' }])
  })

  it('a script that passes the arguments on is like spark-submit itself', async () => {
    await using place = await filled()
    const { line } = await composed(place, [
      './run-spark-submit.sh',
      '--local',
      ...cluster,
      '--class',
      'A',
      'app.jar',
      '1',
    ])
    expect(line).toMatch(
      /^\.\/run-spark-submit\.sh --local --master .* local:\/\/\/var\/spark-data\/spark-jars\/app\.jar 1$/,
    )
  })

  it('nothing is staged when all is in the image, and the driver is named all the same', async () => {
    await using place = await filled()
    const { line, objects, file } = await composed(place, [
      'spark-submit',
      ...cluster,
      '--class',
      'A',
      'local:///opt/app.jar',
    ])
    expect(objects).toEqual([])
    expect(line).toContain('spark.kubernetes.driver.pod.name=a-UID-driver')
    expect(JSON.parse(file('driver.json')).spec.schedulingGates).toBeUndefined()
  })
})

describe('in client mode', () => {
  it.each([
    [
      ['spark-submit', ...master, '--jars', 'lib/a.jar', '--files', 'settings.txt', 'app.jar', '1'],
      / --files settings\.txt .*local:\/\/\/tmp\/supercargo-UID\/data\/spark-jars\/app\.jar 1$/,
    ],
    [['spark-shell', ...master, '--jars', 'lib/a.jar', '-i', 'x.scala'], / -i x\.scala$/],
    [['pyspark', ...master, '--jars', 'lib/a.jar', '--py-files', 'm.py'], / --py-files m\.py /],
    [
      ['spark-sql', ...master, '-e', 'select 1', '--jars', 'lib/a.jar', '-S'],
      /^spark-sql .* -e select 1 --jars .* -S$/,
    ],
    [['run-spark-shell.sh', ...master, '--jars', 'lib/a.jar'], /^run-spark-shell\.sh --master /],
  ])('%j has its jars under one path here and in the executors', async (words, expected) => {
    await using place = await filled()
    const { line, links, file, files } = await composed(place, words)
    expect(line).toMatch(expected)
    expect(line).toContain('--jars local:///tmp/supercargo-UID/data/spark-jars/a.jar')
    expect(links).toContainEqual({ path: '/tmp/supercargo-UID/data/spark-jars/a.jar', target: 'HERE/lib/a.jar' })
    expect(files).toHaveLength(1)
    const { spec, metadata } = JSON.parse(file('executor.json'))
    expect(spec.initContainers[0].volumeMounts[0].mountPath).toBe('/tmp/supercargo-UID/data')
    expect(metadata.labels).toHaveProperty('supercargo.io/submission')
  })

  it('a driver in a pod says where it is found, and to whom its executors belong', async () => {
    await using place = await filled()
    const here = { pod: 'jump', ip: '10.0.0.9', host: 'jump-driver-svc.spark.svc' }
    const words = ['pyspark', ...master, '--jars', 'lib/a.jar', '--conf', 'spark.driver.port=9999']
    const { line } = await composed(place, words, { here })
    expect(line).toContain(
      '--conf spark.kubernetes.driver.pod.name=jump --conf spark.driver.host=jump-driver-svc.spark.svc ' +
        '--conf spark.driver.bindAddress=10.0.0.9 --conf spark.driver.blockManager.port=7079 ' +
        '--conf spark.kubernetes.executor.useDriverPodIP=false',
    )
    expect(line).toContain('--conf spark.driver.port=9999')
    expect(line).not.toContain('7078')
  })

  it.each([
    ['the driver is to serve the files', { distribution: 'driver' }],
    ['no staging server is named', { server: undefined }],
  ])('the command’s files stay as they are where %s', async (_, given) => {
    await using place = await filled()
    const words = ['spark-submit', ...master, '--jars', 'lib/a.jar', 'app.jar']
    const { line, files, objects } = await composed(place, words, {}, given)
    expect(line).toBe(
      'spark-submit --master k8s://https://cluster:6443 --jars lib/a.jar --conf spark.kubernetes.namespace=spark app.jar',
    )
    expect([files, objects]).toEqual([[], []])
  })
})

describe('a command', () => {
  it.each([
    [['spark-submit', '--master', 'local[2]', 'app.jar'], /its master is local\[2\]/],
    [['spark-submit', '--master', 'yarn', '--deploy-mode', 'cluster', 'app.jar'], /its master is yarn/],
    [['run-spark-submit.sh', '--jars', 'lib/a.jar', 'app.jar'], /name no master/],
    [['spark-submit', '--version'], undefined],
  ])('%j runs as it is', async (words, why) => {
    await using place = await filled()
    const command = await prepared(place, words)
    expect(command).toMatchObject({ kind: 'untouched', words })
    expect((command as { why?: string }).why ?? '').toMatch(why ?? /^$/)
  })

  it('reads the defaults of its own Spark', async () => {
    await using place = await filled()
    await place.file(
      'home/conf/spark-defaults.conf',
      'spark.master k8s://https://cluster:6443\nspark.submit.deployMode cluster\n',
    )
    const command = await place.file('home/bin/spark-submit')
    const { line } = await composed(place, [command, '--class', 'A', 'app.jar'])
    expect(line).toContain(' local:///var/spark-data/spark-jars/app.jar')
  })

  it('that hides its master in a script is told of it beside the command, and not by it', async () => {
    await using place = await filled()
    const hidden = { master: 'k8s://https://cluster:6443', deployMode: 'cluster' }
    const script = await composed(place, ['run-spark-submit.sh', '--class', 'A', 'app.jar'], {}, hidden)
    expect(script.line).toMatch(/ local:\/\/\/var\/spark-data\/spark-jars\/app\.jar$/)
    expect(script.line).not.toMatch(/spark\.master|deployMode/)
    const { line } = await composed(place, ['spark-submit', '--class', 'A', 'app.jar'], {}, hidden)
    expect(line).toMatch(/--conf spark\.master=k8s:\/\/https:\/\/cluster:6443 --conf spark\.submit\.deployMode=cluster/)
  })

  it.each([
    ['a file is missing', ['spark-submit', ...cluster, '--jars', 'no.jar', 'app.jar'], 'dependency-missing'],
    [
      'two are called the same',
      ['spark-submit', ...cluster, '--jars', 'lib/a.jar', '--files', 'x/a.jar', 'app.jar'],
      'equal-names',
    ],
    ['the master is none', ['spark-submit', '--master', 'k8s://ftp://x', 'app.jar'], 'bad-master'],
  ])('is refused when %s', async (_, words, code) => {
    await using place = await filled()
    await place.file('x/a.jar')
    await expect(prepared(place, words)).rejects.toMatchObject({ code })
  })

  it('is refused when pods would ask themselves for the files, or have no image to get them', async () => {
    await using place = await filled()
    const words = ['spark-submit', ...cluster, 'app.jar']
    await expect(prepared(place, words, { server: 'http://127.0.0.1:1' })).rejects.toMatchObject({
      code: 'server-of-this-machine',
    })
    await expect(prepared(place, words, { initImage: undefined } as never)).rejects.toMatchObject({
      code: 'init-image-missing',
    })
    await expect(prepared(place, words, { server: undefined } as never)).rejects.toMatchObject({
      code: 'server-missing',
    })
  })

  it('never has a secret in its arguments or templates', async () => {
    await using place = await filled()
    const words = ['spark-submit', ...cluster, '--class', 'A', '--files', 'settings.txt', 'app.jar']
    const { words: run, files } = await composed(place, words)
    const shown = JSON.stringify([run, files.filter(({ path }) => path.endsWith('.json'))])
    expect(shown).not.toMatch(/test-resource-secret|token/)
  })
})
