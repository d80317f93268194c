/** Names and ids as Spark's own client makes them, and memory as it counts it. */
import { describe, expect, it } from 'vitest'
import { describeApplication, labelValue, takeChance, versionOfImage } from './application.ts'
import { Configuration } from './configuration.ts'
import { driverMemory, parseMemory } from './memory.ts'

const named = (name: string, conf: Record<string, string> = {}) =>
  describeApplication({
    configuration: Configuration.of({ 'spark.app.name': name, ...conf }),
    namespace: 'spark',
    mainClass: undefined,
    application: 'app.jar',
    sparkVersion: undefined,
    chance: { applicationId: 'f'.repeat(32), uid: 'aabbcc0123456789', localDirectoryId: 'x' },
    nowMs: 0,
  })

describe('the names of an application', () => {
  it.each([
    ['etl', 'etl-aabbcc0123456789'],
    ['My ETL_job', 'my-etl-job-aabbcc0123456789'],
    ['--a  b--', 'a-b-aabbcc0123456789'],
    ['2024 report', 'x024-report-aabbcc0123456789'],
    ['日本', 'spark-aabbcc0123456789'],
  ])('%j gives objects that begin with %s', (name, prefix) => {
    expect(named(name).prefix).toBe(prefix)
  })

  it('of any length give a Service that DNS takes, and pods that the API server takes', () => {
    const { driverService, driverPod, prefix } = named('a'.repeat(500))
    expect(driverService).toBe('spark-aabbcc0123456789-driver-svc')
    expect(Math.max(driverPod.length, `${prefix}-driver-podspec-conf-map`.length)).toBeLessThan(254)
    expect(named('etl').driverService).toBe('etl-aabbcc0123456789-driver-svc')
  })

  it('of pods are taken as they are given, or refused', () => {
    expect(named('a', { 'spark.kubernetes.driver.pod.name': 'mine' }).driverPod).toBe('mine')
    expect(() => named('a', { 'spark.kubernetes.driver.pod.name': 'Mine_' })).toThrow(/no name of a pod/)
  })

  it('fit a label', () => {
    expect([labelValue('My App!'), labelValue(`${'a'.repeat(62)}--b`), labelValue('日本')]).toEqual([
      'my-app',
      'a'.repeat(62),
      '',
    ])
  })

  it('are new every time', () => {
    const [one, other] = [takeChance(1), takeChance(1)]
    expect(one.applicationId).toMatch(/^[0-9a-f]{32}$/)
    expect(one.uid).toMatch(/^[0-9a-f]{16}$/)
    expect(one.uid).not.toBe(other.uid)
  })
})

it.each([
  ['apache/spark:4.1.2', '4.1.2'],
  ['apache/spark:3.5.8-scala2.12-java17-python3-ubuntu', '3.5.8'],
  ['registry:5000/spark:v4.0.3', '4.0.3'],
  ['registry:5000/spark', undefined],
  ['spark:latest', undefined],
  [undefined, undefined],
])('the image %s says version %s', (image, version) => {
  expect(versionOfImage(image)).toBe(version)
})

it.each([
  ['1g', {}, 0.1, 1408],
  ['8g', {}, 0.1, 9011],
  ['2g', {}, 0.4, 2867],
  ['512m', {}, 0.1, 896],
  ['1024', {}, 0.1, 1408],
  ['1g', { 'spark.driver.memoryOverhead': '100m' }, 0.1, 1124],
  ['1g', { 'spark.driver.minMemoryOverhead': '0' }, 0.1, 1126],
  ['1g', { 'spark.driver.memoryOverheadFactor': '1' }, 0.1, 2048],
])('a driver of %s with %j takes %d MiB', (memory, conf, factor, mebibytes) => {
  expect(driverMemory(Configuration.of({ 'spark.driver.memory': memory, ...conf }), factor)).toBe(mebibytes)
})

it.each(['', '1.5g', '-1', '1x', 'g'])('%j is no amount of memory', (text) => {
  expect(() => parseMemory(text, '--driver-memory')).toThrow(/--driver-memory is .* no amount of memory/)
})
