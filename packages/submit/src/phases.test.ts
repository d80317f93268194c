/** What the states of a pod mean: every way in which a driver or an executor ends or never begins. */
import type { Pod } from '@supercargo/kube'
import { describe, expect, it } from 'vitest'
import { initContainerName } from './localize-container.ts'
import { driverPhase, executorPhase, verdictOf } from './phases.ts'

const main = 'spark-kubernetes-driver'

function pod(status: object, rest: object = {}): Pod {
  return { metadata: { name: 'etl-driver', uid: 'u', resourceVersion: '1' }, status, ...rest } as unknown as Pod
}

const init = (state: object, name = initContainerName) => ({ initContainerStatuses: [{ name, state }] })
const container = (state: object) => ({ containerStatuses: [{ name: main, state }] })

describe('the verdict over a driver', () => {
  it('is open while it waits and runs, and while a first pull of its image has failed', () => {
    for (const status of [
      { phase: 'Pending' },
      init({ running: {} }),
      init({ terminated: { exitCode: 0 } }),
      container({ running: {} }),
      container({ waiting: { reason: 'PodInitializing' } }),
      container({ waiting: { reason: 'ErrImagePull' } }),
    ])
      expect(verdictOf(pod(status), main, 'driver')).toBeUndefined()
  })

  it('is its exit code, also before the phase says so', () => {
    for (const exitCode of [0, 3, 137])
      expect(
        verdictOf(pod({ phase: 'Running', ...container({ terminated: { exitCode } }) }), main, 'driver'),
      ).toMatchObject({
        kind: 'ended',
        exitCode,
      })
    const killed = verdictOf(pod(container({ terminated: { exitCode: 137, reason: 'OOMKilled' } })), main, 'driver')
    expect(killed).toMatchObject({ reason: ' (OOMKilled)' })
  })

  it("is the localizer's own reason and hint when it could not fetch", () => {
    const message = JSON.stringify({
      version: 1,
      ok: false,
      kind: 'notFound',
      code: 'no-such-file',
      message: 'a.jar is not there',
      hint: 'look again',
      exitCode: 66,
    })
    const verdict = verdictOf(pod(init({ terminated: { exitCode: 66, message } })), main, 'driver')
    expect(verdict).toMatchObject({
      kind: 'failed',
      stop: false,
      error: {
        kind: 'notFound',
        code: 'no-such-file',
        message: 'the driver etl-driver has not got its files: a.jar is not there',
        hint: 'look again',
      },
    })
  })

  it('is the last line of whatever another init-container, or a killed one, has said', () => {
    expect(
      verdictOf(pod(init({ terminated: { exitCode: 137, message: 'one\nlast words\n' } })), main, 'driver'),
    ).toMatchObject({
      error: { code: 'localize-failed', message: expect.stringMatching(/ended with 137: last words$/) },
    })
    expect(verdictOf(pod(init({ terminated: { exitCode: 1, message: 'x' } }, 'warm')), main, 'driver')).toMatchObject({
      error: { code: 'init-container-failed', message: expect.stringContaining('warm') },
    })
  })

  it.each(['ImagePullBackOff', 'ErrImageNeverPull', 'InvalidImageName', 'CreateContainerConfigError'])(
    'is a failure that has to be stopped when a container waits with %s',
    (reason) => {
      for (const status of [
        init({ waiting: { reason, message: 'why' } }),
        container({ waiting: { reason, message: 'why' } }),
      ])
        expect(verdictOf(pod(status), main, 'driver')).toMatchObject({
          kind: 'failed',
          stop: true,
          error: { message: expect.stringContaining('why'), hint: expect.any(String) },
        })
    },
  )

  it('is a failure with the words of kubelet when no container says anything', () => {
    expect(
      verdictOf(pod({ phase: 'Failed', reason: 'Evicted', message: 'low on memory' }), main, 'driver'),
    ).toMatchObject({
      error: { message: 'the driver etl-driver failed: Evicted: low on memory' },
    })
  })
})

describe('in words, a driver', () => {
  const scheduled = { conditions: [{ type: 'PodScheduled', status: 'True' }] }
  it.each([
    ['is being prepared', pod({}, { spec: { schedulingGates: [{ name: 'x' }] } })],
    ['waits for a node: no room', pod({ conditions: [{ type: 'PodScheduled', status: 'False', message: 'no room' }] })],
    ['is being started', pod(scheduled)],
    ['gets its files', pod({ ...scheduled, ...init({ running: {} }) })],
    ['runs on n1', pod(container({ running: {} }), { spec: { nodeName: 'n1' } })],
  ])('%s', (words, given) => {
    expect(driverPhase(given, main)).toBe(`the driver ${words}`)
  })
})

it('executors are counted by what they do', () => {
  const pods = ['Running', 'Running', 'Pending', 'Succeeded', 'Failed'].map((phase) => pod({ phase }))
  expect(executorPhase(pods, 'spark-kubernetes-executor')).toBe('2 executors run, 1 is being started')
  expect(executorPhase([], 'x')).toBeUndefined()
})
