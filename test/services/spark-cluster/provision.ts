/** Images of both Sparks on a base of Debian, made without a builder: a root folder, Spark's own folder, an entry point. */
import { chmod, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fromCache } from '../cache.ts'
import { command } from '../command.ts'
import { debianTree, missingApt } from '../debian-packages.ts'
import { missingKubernetesNode, type NodeAssets, provisionKubernetesNode } from '../kubernetes-node/provision.ts'
import { writeImages } from '../oci-layout.ts'
import type { Missing, Progress } from '../service.ts'
import { missingSpark, provisionSpark, type Spark, type SparkAssets } from '../spark/provision.ts'
import { type OperatorAssets, provisionOperator } from '../spark-operator/provision.ts'
import { missingGo, missingProgram } from '../toolchain.ts'

export interface SparkClusterAssets {
  readonly node: NodeAssets
  readonly spark: SparkAssets
  readonly operator: OperatorAssets
  /** Image layouts. */
  readonly image4: string
  readonly image3: string
}

/** Where the application is in the images, for submissions that stage nothing. */
export const imageAppFolder = '/opt/supercargo-test'
export const sparkUser = 185

const release = 'bookworm'
const packages: readonly string[] = [
  'ca-certificates',
  'openjdk-17-jre-headless',
  'python3',
  'tini',
  'procps',
  'libnss-wrapper',
]
const baseDiskBytes = 1_200_000_000
const imageDiskBytes = 1_500_000_000
const treeDiskBytes = 20_000_000

export async function missingSparkCluster(): Promise<readonly Missing[]> {
  const all = [
    ...(await missingKubernetesNode()),
    ...(await missingSpark()),
    ...(await missingGo()),
    ...missingApt(),
    ...missingProgram('perl', 'perl'),
  ]
  return all.filter((each, index) => all.findIndex((other) => other.what === each.what) === index)
}

export async function provisionSparkCluster(progress: Progress): Promise<SparkClusterAssets> {
  const node = await provisionKubernetesNode(progress)
  const spark = await provisionSpark(progress)
  const operator = await provisionOperator(progress)
  const base = await baseLayer(progress)
  const image4 = await sparkImage(spark.lines['4'], base, progress)
  const image3 = await sparkImage(spark.lines['3'], base, progress)
  return { node, spark, operator, image4, image3 }
}

export function imageName(version: string): string {
  return `localhost/supercargo-test/spark:${version}`
}

/** Debian with a Java and a Python, as one layer that all images share. */
async function baseLayer(progress: Progress): Promise<string> {
  const tool = await debianTree('mmdebstrap', ['mmdebstrap'], treeDiskBytes, progress)
  const directory = await fromCache(
    {
      name: 'image-base',
      key: ['1', release, ...packages],
      takes: 'Debian with Java and Python, about a minute',
      diskBytes: baseDiskBytes,
      build: async (target, { signal, logFile }) => {
        const slim = ['doc', 'locale'].map((folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`)
        const options = [
          '--mode=root',
          '--format=tar',
          '--variant=essential',
          `--include=${packages.join(',')}`,
          ...slim,
        ]
        await command(['mmdebstrap', ...options, release, join(target, 'base.tar')], {
          // Programs inside the new root must not look for libraries beside this one.
          env: { PATH: tool.env.PATH!, TMPDIR: target, LC_ALL: 'C' },
          site: target,
          signal,
          logFile,
        })
      },
    },
    progress,
  )
  return join(directory, 'base.tar')
}

async function sparkImage(spark: Spark, base: string, progress: Progress): Promise<string> {
  const entrypoint = join(import.meta.dirname, 'entrypoint.sh')
  return fromCache(
    {
      name: `image-spark-${spark.version}`,
      key: ['3', base, spark.home, spark.appJar, await readFile(entrypoint, 'utf8')],
      takes: 'about 10 seconds',
      diskBytes: imageDiskBytes,
      build: async (directory, { signal, logFile }) => {
        const options = { signal, logFile, site: directory }
        const root = join(directory, 'root')
        const folder = async (path: string): Promise<string> => {
          await mkdir(join(root, path), { recursive: true })
          return join(root, path)
        }
        await folder('opt')
        await command(['cp', '--archive', '--link', spark.home, join(root, 'opt', 'spark')], options)
        await rm(join(root, 'opt', 'spark', '.complete.json'), { force: true })
        // Its shell for Python is started from a file, as Spark's own image has it; in the package there are archives alone.
        const python = join(root, 'opt', 'spark', 'python')
        await command(['python3', '-m', 'zipfile', '-e', join(python, 'lib', 'pyspark.zip'), python], options)
        // The cache is for its owner alone; in the image everybody reads.
        await chmod(join(root, 'opt', 'spark'), 0o755)
        await copyFile(entrypoint, join(await folder('opt'), 'entrypoint.sh'))
        await chmod(join(root, 'opt', 'entrypoint.sh'), 0o755)
        const app = await folder(imageAppFolder)
        await copyFile(spark.appJar, join(app, 'app.jar'))
        await copyFile(spark.dependencyJar, join(app, 'dependency.jar'))
        await copyFile(join(import.meta.dirname, '..', 'spark', 'app', 'settings.txt'), join(app, 'settings.txt'))
        // The whole files, since a layer replaces files and knows no additions.
        await writeUsers(await folder('etc'), base)
        await command(
          [
            'install',
            '-d',
            '-m',
            '0775',
            '-o',
            `${sparkUser}`,
            '-g',
            `${sparkUser}`,
            join(root, 'opt', 'spark', 'work-dir'),
          ],
          options,
        )
        const layer = join(directory, 'layer.tar')
        await command(['tar', '--numeric-owner', '-cf', layer, '-C', root, '.'], options)
        await writeImages(directory, [
          {
            name: imageName(spark.version),
            layers: [base, layer],
            config: {
              entrypoint: ['/opt/entrypoint.sh'],
              env: [
                'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
                'SPARK_HOME=/opt/spark',
                'LANG=C.UTF-8',
              ],
              user: `${sparkUser}`,
              workingDirectory: '/opt/spark/work-dir',
            },
          },
        ])
        for (const used of [root, layer]) await rm(used, { recursive: true })
      },
    },
    progress,
  )
}

async function writeUsers(etc: string, base: string): Promise<void> {
  for (const [name, line] of [
    ['passwd', `spark:x:${sparkUser}:${sparkUser}::/nonexistent:/usr/sbin/nologin`],
    ['group', `spark:x:${sparkUser}:`],
  ] as const)
    await writeFile(join(etc, name), `${await command(['tar', '-xOf', base, `./etc/${name}`])}${line}\n`)
}
