/** Owners as they are written on a command line. */
import { claimLabel } from '@supercargo/protocol'
import { describe, expect, it } from 'vitest'
import { readArguments } from './arguments.ts'
import { chooseOwner } from './owner-options.ts'

function chosen(...options: string[]) {
  const request = readArguments(['stage', 'path', ...options], {})
  if (request.kind !== 'run') throw new Error('it does not run')
  return chooseOwner(request.settings)
}

describe('an owner', () => {
  it.each([
    [['--owner', 'Pod/driver'], { apiVersion: 'v1', kind: 'Pod', name: 'driver' }],
    [['--owner', 'cronjob/etl'], { apiVersion: 'batch/v1', kind: 'CronJob', name: 'etl' }],
    [
      ['--owner', 'SparkApplication/x'],
      { apiVersion: 'sparkoperator.k8s.io/v1beta2', kind: 'SparkApplication', name: 'x' },
    ],
    [
      ['--owner', 'spark.apache.org/v1/SparkApplication/x'],
      { apiVersion: 'spark.apache.org/v1', kind: 'SparkApplication', name: 'x' },
    ],
    [['--owner', 'example.org/v2/Voyage/x'], { apiVersion: 'example.org/v2', kind: 'Voyage', name: 'x' }],
    [['--owner', 'v1/ConfigMap/x'], { apiVersion: 'v1', kind: 'ConfigMap', name: 'x' }],
    [['--owner', 'Pod/driver', '--owner-uid', 'u-1'], { apiVersion: 'v1', kind: 'Pod', name: 'driver', uid: 'u-1' }],
    [['--owner-uid', 'u-1'], { apiVersion: 'v1', kind: 'Pod', uid: 'u-1' }],
    [
      ['--owner-label', 'app=x', '--owner-label', 'a/b='],
      { apiVersion: 'v1', kind: 'Pod', labels: { app: 'x', 'a/b': '' } },
    ],
    [['--owner', 'Job', '--owner-label', 'app=x'], { apiVersion: 'batch/v1', kind: 'Job', labels: { app: 'x' } }],
  ])('%j is understood', (options, owner) => {
    expect(chosen('-n', 'spark', ...options)).toEqual({ owners: [{ namespace: 'spark', ...owner }] })
  })

  it('may be one of several', () => {
    expect(chosen('--owner', 'Pod/a', '--owner', 'Job/b').owners.map((owner) => owner.name)).toEqual(['a', 'b'])
  })

  it('that nobody names is whoever carries a fresh label', () => {
    const first = chosen('-n', 'spark')
    const second = chosen('-n', 'spark')
    expect(first.claim).toMatch(/^[a-z0-9]{16}$/)
    expect(first.claim).not.toBe(second.claim)
    expect(first.owners).toEqual([
      { namespace: 'spark', apiVersion: 'v1', kind: 'Pod', labels: { [claimLabel]: first.claim } },
    ])
  })

  it.each([
    [['--owner', 'Pood/x'], 'did you mean Pod?'],
    [['--owner', 'Voyage/x'], 'group/v1/KIND/NAME'],
    [['--owner', 'Pod'], 'names no object'],
    [['--owner', 'Pod/'], 'not an owner'],
    [['--owner', 'a/b/c/d/e'], 'not an owner'],
    [['--owner', 'Pod/Driver'], 'lower-case'],
    [['--owner', 'apps/v1/Pod/x'], 'Pod is of v1'],
    [['--owner-label', 'app'], 'KEY=VALUE'],
    [['--owner-label', '=x'], 'KEY=VALUE'],
    [['--owner-label', 'app=a b'], 'label value'],
    [['--owner', 'Pod/a', '--owner', 'Pod/b', '--owner-uid', 'u'], 'one owner'],
    [['-n', 'Spark'], 'namespace'],
  ])('%j is refused as wrong arguments', (options, text) => {
    expect(() => chosen(...options)).toThrow(expect.objectContaining({ code: 'usage' }))
    try {
      chosen(...options)
    } catch (error) {
      const { message, hint } = error as { message: string; hint?: string }
      expect(`${message} ${hint}`).toContain(text)
    }
  })
})
