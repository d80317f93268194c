/** Which of several settings wins, and what the keys of 2017 mean. */
import { describe, expect, it } from 'vitest'
import { readSubmitArguments, sparkOptions } from './arguments.ts'
import { readConfiguration } from './configuration.ts'
import { ownKeys } from './fork-keys.ts'
import { workplace } from './testing/submission.ts'

const read = (argv: readonly string[], environment: Record<string, string> = {}) =>
  readConfiguration(readSubmitArguments(argv, sparkOptions), environment)

describe('a setting', () => {
  it('of an option wins over --conf, that over the file, and the file replaces spark-defaults.conf', async () => {
    await using place = await workplace()
    const file = await place.file('p.properties', 'spark.app.name file\nspark.b=file\nspark.c: file\nother.d=file\n')
    await place.file('conf/spark-defaults.conf', 'spark.c defaults\nspark.e defaults\n')
    const environment = { SPARK_CONF_DIR: `${place.directory}/conf` }
    const conf = ['--name', 'option', '-c', 'spark.app.name=conf', '-c', 'spark.b=conf']
    const named = await read([...conf, '--properties-file', file], environment)
    expect(named.entries()).toEqual([
      ['spark.app.name', 'option'],
      ['spark.b', 'conf'],
      ['spark.c', 'file'],
    ])
    expect((await read(conf, environment)).get('spark.e')).toBe('defaults')
    const both = await read([...conf, '--properties-file', file, '--load-spark-defaults'], environment)
    expect([both.get('spark.c'), both.get('spark.e')]).toEqual(['file', 'defaults'])
  })

  it('is read from SPARK_HOME/conf where SPARK_CONF_DIR is not set, and a home without one is none', async () => {
    await using place = await workplace()
    expect((await read([], { SPARK_HOME: place.directory })).entries()).toEqual([])
    await place.file('conf/spark-defaults.conf', 'spark.a b\n')
    expect((await read([], { SPARK_HOME: place.directory })).get('spark.a')).toBe('b')
  })

  it('says where it was said', async () => {
    const configuration = await read(['--jars', 'a.jar', '-c', 'spark.files=b'])
    expect([configuration.said('spark.jars'), configuration.said('spark.files')]).toEqual([
      '--jars',
      '--conf spark.files',
    ])
  })

  it.each([
    [['--conf', 'spark.x'], '--conf spark.x is not a setting'],
    [['--properties-file', '/no/such/file'], 'the properties file /no/such/file cannot be read'],
  ])('%j is refused', async (argv, message) => {
    await expect(read(argv)).rejects.toThrow(message)
  })
})

describe('a key of 2017', () => {
  it('means what it means here, and today’s key wins over it', async () => {
    const confs = {
      'spark.kubernetes.resourceStagingServer.uri': 'http://a:10000',
      'spark.kubernetes.resourceStagingServer.internal.uri': 'http://b:10000',
      'spark.kubernetes.initcontainer.docker.image': 'old-init',
      [ownKeys.initImage]: 'new-init',
      'spark.kubernetes.driver.docker.image': 'driver',
      'spark.kubernetes.mountdependencies.jarsDownloadDir': '/data/spark-jars',
      'spark.kubernetes.mountdependencies.filesDownloadDir': '/data/spark-files/',
      'spark.kubernetes.mountdependencies.mountTimeout': '20m',
    }
    const configuration = await read(Object.entries(confs).flatMap(([key, value]) => ['-c', `${key}=${value}`]))
    expect(configuration.entries()).toEqual([
      ['spark.kubernetes.driver.container.image', 'driver'],
      [ownKeys.initImage, 'new-init'],
      [ownKeys.deadline, '20m'],
      [ownKeys.podServer, 'http://b:10000'],
      [ownKeys.root, '/data'],
      [ownKeys.server, 'http://a:10000'],
    ])
  })

  it.each([
    'spark.kubernetes.mountdependencies.jarsDownloadDir=/elsewhere',
    'spark.ssl.kubernetes.resourceStagingServer.trustStore=/x.jks',
  ])('%s cannot be had, and says what can', async (conf) => {
    await expect(read(['-c', conf])).rejects.toMatchObject({ kind: 'invalid', hint: expect.any(String) })
  })
})
