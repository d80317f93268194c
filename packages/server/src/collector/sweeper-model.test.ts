/** Thousands of histories against a model of the cluster: what has a living owner is never deleted, what has none always in the end. */
import type { Owner } from '@supercargo/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ModelWorld, type WorldFault, worldSettings } from '../testing/model-world.ts'

/** More of them on demand; the time is a bound, too. */
const histories = Number(process.env.SUPERCARGO_MODEL_HISTORIES ?? 3000)
const timeLimitMs = process.env.SUPERCARGO_MODEL_HISTORIES === undefined ? 12_000 : 3_600_000

const names = ['a', 'b', 'c'] as const
const name = fc.constantFrom(...names)
const label = fc.constantFrom('x', 'y')
const place = { namespace: 'n', apiVersion: 'v1', kind: 'Pod' }
const faults: readonly WorldFault[] = ['lists-lost', 'confirmations-lost', 'odd-owners-lost', 'other-cluster', 'older']

type Act = (world: ModelWorld) => void | Promise<void>
type OwnerOf = (world: ModelWorld) => Owner

const owner: fc.Arbitrary<OwnerOf> = fc.oneof(
  { weight: 1, arbitrary: name.map((each) => () => ({ ...place, name: each })) },
  { weight: 3, arbitrary: label.map((each) => () => ({ ...place, labels: { app: each } })) },
  {
    weight: 1,
    arbitrary: name.map((each) => (world: ModelWorld) => {
      return { ...place, uid: world.objects.get(each)?.uid ?? 'uid-0' }
    }),
  },
)
const create = fc.tuple(name, label).map(
  ([which, as]): Act =>
    (world) =>
      world.create(which, as),
)
const remove = name.map(
  (which): Act =>
    (world) =>
      void world.objects.delete(which),
)
const relabel = fc.tuple(name, label).map(
  ([which, as]): Act =>
    (world) => {
      const object = world.objects.get(which)
      if (object !== undefined) object.label = as
    },
)
const change = fc.oneof(
  create,
  remove,
  fc.tuple(name, label).map(
    ([which, as]): Act =>
      (world) => {
        world.objects.delete(which)
        world.create(which, as)
      },
  ),
  relabel,
  fc.nat(20).map(
    (which): Act =>
      (world) => {
        const ids = [...world.records.keys()]
        if (ids.length > 0) world.fetch(ids[which % ids.length]!)
      },
  ),
)
const sweep = fc
  .tuple(
    fc.oneof({ weight: 4, arbitrary: fc.constant<WorldFault>('none') }, fc.constantFrom(...faults)),
    fc.option(change),
    fc.integer({ min: 1, max: 8 }),
  )
  .map(
    ([fault, meanwhile, times]): Act =>
      async (world) => {
        world.fault = fault
        // What happens while a sweep runs happens once, and before its confirmations.
        let pending = meanwhile
        world.meanwhile = () => {
          void pending?.(world)
          pending = null
        }
        for (let n = 0; n < times; n++) {
          world.clock.advance(worldSettings.intervalMs)
          await world.sweep()
        }
        world.fault = 'none'
        world.meanwhile = () => undefined
      },
  )
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: change },
  {
    weight: 4,
    arbitrary: fc.array(owner, { minLength: 1, maxLength: 2 }).map(
      (owners): Act =>
        (world) =>
          world.stage(owners.map((each) => each(world))),
    ),
  },
  { weight: 8, arbitrary: sweep },
  { weight: 2, arbitrary: fc.constant<Act>((world) => world.restart()) },
  {
    weight: 1,
    arbitrary: relabel.map(
      (each): Act =>
        async (world) => {
          await each(world)
          await world.restart()
        },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.integer({ min: -1e12, max: 1e12 }).map(
      (ms): Act =>
        (world) =>
          world.clock.jump(ms),
    ),
  },
  {
    weight: 1,
    arbitrary: fc.nat(1e9).map(
      (ms): Act =>
        (world) =>
          world.clock.advance(ms),
    ),
  },
  { weight: 1, arbitrary: fc.constant<Act>((world) => world.release()) },
)
const loseState = fc.constant<Act>(async (world) => {
  world.loseState()
  await world.restart()
})

/** Sweeps of a well world until only what is owned is left, with an operator who releases what has stopped. */
async function settle(world: ModelWorld): Promise<void> {
  for (let sweeps = 0; sweeps < 60; sweeps++) {
    if ([...world.records.values()].every((record) => world.isOwned(record))) return
    world.clock.advance(worldSettings.intervalMs)
    await world.sweep()
    await world.release()
  }
}

async function run(acts: readonly Act[]): Promise<void> {
  const world = new ModelWorld()
  await world.start()
  // The store is bound to the cluster that its first sweep meets.
  await world.sweep()
  try {
    for (const each of acts) await each(world)
    await settle(world)
    expect(world.violations).toEqual([])
    expect([...world.records.values()].filter((record) => !world.isOwned(record))).toEqual([])
  } finally {
    await world.end()
  }
}

describe('in every history', () => {
  it(
    'a resource with a living owner is never deleted, and one without always is in the end',
    async () => {
      const property = fc.asyncProperty(fc.array(act, { maxLength: 40 }), run)
      await fc.assert(property, { numRuns: histories, interruptAfterTimeLimit: timeLimitMs })
    },
    timeLimitMs + 60_000,
  )

  it(
    'a lost memory makes everything be kept, and an operator can end that',
    async () => {
      const acts = fc.tuple(fc.array(act, { maxLength: 15 }), loseState, fc.array(act, { maxLength: 15 }))
      const property = fc.asyncProperty(acts, ([before, lose, after]) => run([...before, lose, ...after]))
      await fc.assert(property, { numRuns: histories / 2, interruptAfterTimeLimit: timeLimitMs / 2 })
    },
    timeLimitMs + 60_000,
  )
})
