/** Two real Sparks as a test service: the application says what it has used, of jars, modules and files, on either line. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWith, type OwnInstance, ownInstance, provisionTimeoutMs, stopped } from '../running.ts'
import { sparkLines } from './provision.ts'
import { expectedResult } from './start.ts'
import { sparkSubmit } from './submission.ts'

describeWith(['spark'], 'spark', () => {
  let instance: OwnInstance<'spark'> | undefined

  beforeAll(async () => {
    instance = await ownInstance('spark')
  }, provisionTimeoutMs)

  afterAll(async () => {
    expect(await stopped(instance)).toEqual([])
  })

  it.each(sparkLines)('%s runs the application in Java with its second jar and its file', async (line) => {
    const spark = instance!.details
    const [app, dependency] =
      line === '4' ? [spark.appJar4, spark.dependencyJar4] : [spark.appJar3, spark.dependencyJar3]
    const local = ['--master', 'local[2]', '--conf', 'spark.ui.enabled=false', '--files', spark.settingsFile]
    const args = [...local, '--jars', dependency, '--class', spark.mainClass, app, 'settings.txt', '100']
    const { stdout, stderr } = await sparkSubmit(spark, line, args)
    expect(stdout, stderr).toContain(expectedResult)
  })

  it.each(sparkLines)('%s fails without the second jar, so that its presence proves something', async (line) => {
    const spark = instance!.details
    const local = ['--master', 'local[2]', '--conf', 'spark.ui.enabled=false', '--files', spark.settingsFile]
    const args = [
      ...local,
      '--class',
      spark.mainClass,
      line === '4' ? spark.appJar4 : spark.appJar3,
      'settings.txt',
      '100',
    ]
    const { exitCode, stderr } = await sparkSubmit(spark, line, args)
    expect(exitCode).not.toBe(0)
    expect(stderr).toContain('com/example/dependency/Greeting')
  })

  it.each(sparkLines)('%s runs the application in Python with its module and its file', async (line) => {
    const spark = instance!.details
    const local = ['--master', 'local[2]', '--conf', 'spark.ui.enabled=false', '--files', spark.settingsFile]
    const args = [...local, '--py-files', spark.pythonModule, spark.pythonMain, 'settings.txt', '100']
    const { stdout, stderr } = await sparkSubmit(spark, line, args)
    expect(stdout, stderr).toContain(expectedResult)
  })
})
