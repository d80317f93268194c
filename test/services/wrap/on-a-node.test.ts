/** Wrapped Spark on a real node, from staged files: cluster mode to completion, client mode and the shells from a pod, as the examples have them. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ServiceDetails } from '../catalog.ts'
import type { DeployedServer } from '../images/deployment.ts'
import { initImage, repository } from '../images/product-images.ts'
import { sharedServer } from '../images/shared-server.ts'
import { tryKubectl } from '../kubernetes/kubectl.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { sparkLines } from '../spark/provision.ts'
import { expectedResult } from '../spark/start.ts'
import { type SparkNamespace, sparkNamespace } from '../spark-cluster/namespace.ts'
import { staysUntilGone } from '../submit/with-owner.ts'
import { sparkEnvironment, wrapped } from './wrapped.ts'

const example = join(repository, 'deploy', 'examples', 'client-mode', 'jump-pod.yaml')
/** Where the jump pod has this repository. */
const mounted = '/opt/supercargo'

describeWith(['spark-cluster'], 'wrapped spark on a node', () => {
  let cluster: ServiceDetails<'spark-cluster'>
  let server: DeployedServer
  let place: SparkNamespace
  let folder: string

  beforeAll(async () => {
    cluster = await running('spark-cluster')
    server = await sharedServer(cluster)
    folder = await mkdtemp(join(tmpdir(), 'supercargo-wrap-node-'))
    place = await sparkNamespace(cluster, 'wrapped')
    const text = (await readFile(example, 'utf8'))
      .replace(
        /image: .*/,
        `image: ${cluster.image4}\n      imagePullPolicy: Never\n      volumeMounts: [{ name: command, mountPath: ${mounted} }]`,
      )
      .concat(`  volumes: [{ name: command, hostPath: { path: ${repository} } }]\n`)
    const jump = await tryKubectl(cluster, ['--namespace', place.name, 'apply', '-f', '-'], text)
    expect(jump.exitCode, jump.stderr).toBe(0)
  }, provisionTimeoutMs)

  afterAll(async () => {
    server?.client.close()
    if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    await place?.remove()
  })

  const settings = (line: '3' | '4'): string[] => [
    ...place.settings(line),
    ...['--conf', 'spark.kubernetes.executor.deleteOnTermination=false'],
  ]
  const ofExecutors = (path: string): Promise<string> =>
    place.kubectl('get', 'pods', '--selector', 'spark-role=executor', '-o', `jsonpath={.items[*]${path}}`)
  /** Of the executors: each localized for itself. */
  const localized = (): Promise<string> =>
    ofExecutors('.status.initContainerStatuses[?(@.name=="supercargo-localize")].state.terminated.exitCode')

  it.each(sparkLines)(
    '%s runs in cluster mode from local jars and a local file, which go with the driver',
    async (line) => {
      const four = line === '4'
      const environment = sparkEnvironment(cluster, line)
      const call = { directory: folder, kubeconfig: cluster.kubeconfig, namespace: place.name, environment }
      const { code, err } = await wrapped(call, [
        ...['--server', server.client.server.href, '--pod-server', server.podUrl, '--init-image', initImage],
        ...['--', 'spark-submit', '--deploy-mode', 'cluster', '--class', cluster.mainClass, ...settings(line)],
        ...['--conf', `spark.kubernetes.driver.pod.name=driver-${line}`],
        ...['--jars', four ? cluster.dependencyJar4 : cluster.dependencyJar3, '--files', cluster.settingsFile],
        ...[four ? cluster.appJar4 : cluster.appJar3, 'settings.txt', '100'],
      ]).ended
      const log = await place.kubectl('logs', `driver-${line}`).catch((cause: Error) => cause.message)
      expect(log, err).toContain(expectedResult)
      expect(code, err).toBe(0)
      expect(await localized()).toMatch(/^0( 0)*$/)
      const owner = { namespace: place.name, kind: 'Pod', name: `driver-${line}` }
      await staysUntilGone(server.client, owner, () => place.kubectl('delete', 'pods', '--selector', 'spark-role'))
    },
  )

  /** In the jump pod, by its shell. */
  const inside = (script: string) =>
    tryKubectl(cluster, ['--namespace', place.name, 'exec', 'jump', '--', 'sh', '-c', script])
  const wrap = (options = ''): string =>
    `${mounted}/node_modules/node/bin/node ${mounted}/packages/cli/src/start.ts wrap ${options} --server ${server.podUrl} --init-image ${initImage} --`
  const words = (all: readonly string[]): string => all.map((word) => `'${word}'`).join(' ')

  it('runs in client mode from a pod behind a headless Service', async () => {
    await place.kubectl('wait', '--for=condition=Ready', 'pod/jump', '--timeout=120s')
    const app = cluster.imageAppFolder
    const spark = ['/opt/spark/bin/spark-submit', '--class', cluster.mainClass, ...settings('4')]
    const files = ['--jars', `${app}/dependency.jar`, '--files', `${app}/settings.txt`]
    const { exitCode, stdout, stderr } = await inside(
      `${wrap()} ${words([...spark, ...files, `${app}/app.jar`, 'settings.txt', '100'])}`,
    )
    expect(stdout, stderr).toContain(expectedResult)
    expect(exitCode, stderr).toBe(0)
    expect(await localized()).toMatch(/^0( 0)*$/)
    const environment = '.spec.containers[0].env[?(@.name=="SPARK_DRIVER_URL")].value'
    expect(await ofExecutors(environment)).toContain(`@jump.${place.name}.svc:7078`)
    expect(await ofExecutors('.metadata.ownerReferences[*].name')).toMatch(/^jump( jump)*$/)
    expect(await place.kubectl('get', 'secrets', '-o', 'name')).toBe('')
    const { resources } = await server.client.list({ namespace: place.name })
    expect(resources.filter(({ owner: owners }) => owners.some(({ name }) => name === 'jump'))).toEqual([])
  })

  it('runs every shell from the pod: each sees its jar, its file and its module', async () => {
    await place.kubectl('wait', '--for=condition=Ready', 'pod/jump', '--timeout=120s')
    const app = cluster.imageAppFolder
    // Without a task there is no executor to wait for.
    const lazily = ['spark.dynamicAllocation.enabled=true', 'spark.executor.instances=0', 'spark.ui.enabled=false']
    const conf = words([...place.settings('4'), ...lazily.flatMap((each) => ['--conf', each])])
    const jar = `--jars ${app}/dependency.jar --files ${app}/settings.txt`
    // As people wrap a shell: options of the driver in the script, the rest from its caller.
    const script = `exec /opt/spark/bin/spark-shell --master k8s://https://kubernetes.default.svc --driver-class-path ${app}/app.jar --driver-java-options -Dsaid=so "$@"`
    const scala = `println("SHELL " + com.example.dependency.Greeting.to(scala.io.Source.fromFile(org.apache.spark.SparkFiles.get("settings.txt")).mkString.trim) + " " + Class.forName("com.example.app.Main").getSimpleName + " " + sys.props("said"))`
    const python = `import greeting; from pyspark import SparkFiles; print("PYTHON", greeting.to(open(SparkFiles.get("settings.txt")).read().strip()))`
    const master = '--master k8s://https://kubernetes.default.svc'
    const { stdout, stderr } = await inside(`cd /tmp
printf '#!/bin/sh\\n%s\\n' '${script}' > run-spark-shell.sh && chmod +x run-spark-shell.sh
echo '${scala}' | ${wrap(master)} ./run-spark-shell.sh ${conf} ${jar}
echo '${python}' | PYSPARK_DRIVER_PYTHON_OPTS=-i ${wrap()} /opt/spark/bin/pyspark ${conf} --py-files ${mounted}/test/services/spark/app/greeting.py --files ${app}/settings.txt
${wrap()} /opt/spark/bin/spark-sql ${conf} --conf spark.sql.catalogImplementation=in-memory ${jar} -e "select java_method('com.example.dependency.Greeting', 'to', 'SQL')"`)
    expect(stdout, stderr).toContain('SHELL greetings to the cargo Main so')
    expect(stdout, stderr).toContain('PYTHON greetings to the cargo')
    expect(stdout, stderr).toContain('greetings to SQL')
  })

  it('that is killed in its pod leaves its files to the pod, and they go with it', async () => {
    await place.kubectl('wait', '--for=condition=Ready', 'pod/jump', '--timeout=120s')
    const shell = '/tmp/spark-shell'
    const { exitCode } = await inside(`printf '#!/bin/sh\\nkill -9 $PPID\\n' > ${shell} && chmod +x ${shell}
${wrap()} ${shell} ${words(place.settings('4'))} --jars ${cluster.imageAppFolder}/dependency.jar`)
    expect(exitCode).toBe(137)
    const owner = { namespace: place.name, kind: 'Pod', name: 'jump' }
    await staysUntilGone(server.client, owner, () =>
      place.kubectl('delete', 'pod', 'jump', '--grace-period=0', '--force'),
    )
    const left = () =>
      place.kubectl('get', 'configmaps,secrets', '--selector', 'supercargo.io/submission', '-o', 'name')
    await expect.poll(left, { timeout: 60_000 }).toBe('')
  })
})
