/** The options that help tells of are those that submission reads, and what stands behind the application is its own. */
import { sparkOptions } from '@supercargo/submit'
import { describe, expect, it } from 'vitest'
import { run } from './run.ts'
import { doctorOptions, submitOptions } from './submit-options.ts'
import { testIo } from './testing/test-io.ts'

describe('the options of submit', () => {
  it('hold all of spark-submit’s, with the same values', () => {
    for (const options of [submitOptions, doctorOptions])
      for (const { name, short, value, many } of sparkOptions)
        expect(
          options.find((option) => option.name === name),
          name,
        ).toMatchObject({
          name,
          ...(short === undefined ? {} : { short }),
          ...(value === undefined ? {} : { value }),
          ...(many === undefined ? {} : { many }),
        })
  })

  it('have one meaning each', () => {
    for (const options of [submitOptions, doctorOptions]) {
      const words = options.flatMap(({ name, short }) => [name, ...(short === undefined ? [] : [`-${short}`])])
      expect(new Set(words).size).toBe(words.length)
    }
  })
})

describe('submit', () => {
  it.each([
    [['submit', '--help'], 0, /^Usage: supercargo submit \[OPTIONS\] APPLICATION/],
    [['submit', '--jars', 'a.jar', '-h'], 0, /^Usage: supercargo submit/],
    [['doctor', '--help'], 0, /^Usage: supercargo doctor/],
  ] as const)('%j explains itself', async (argv, code, out) => {
    const io = testIo()
    expect(await run(argv, io)).toBe(code)
    expect(io.out()).toMatch(out)
  })

  it.each([
    [['submit', '--clas', 'x'], 64, /did you mean --class/],
    [['submit', '--json', '--clas', 'x'], 64, /did you mean --class/],
    [['submit', '--distribution', 'else', 'a.jar'], 64, /it is one of direct, driver/],
    [['submit', '--owner', 'Job/x', 'a.jar'], 64, /--owner-uid UID/],
    [
      ['submit', '--conf', 'spark.kubernetes.container.image=x', '--class', 'A', 'no.jar', '--help'],
      66,
      /there is no file/,
    ],
    [['submit', '--dry-run'], 64, /needs the application/],
  ] as const)('%j is refused with its reason', async (argv, code, err) => {
    const io = testIo()
    expect(await run(argv, io)).toBe(code)
    expect(io.err()).toMatch(err)
    expect(io.out() === '').toBe(!(argv as readonly string[]).includes('--json'))
  })

  it('takes an empty list for none, and its options from the environment as every command does', async () => {
    const io = testIo({
      env: { SUPERCARGO_CLASS: 'com.example.Main', SUPERCARGO_CONF: 'spark.kubernetes.container.image=x' },
    })
    expect(await run(['submit', '--dry-run', '--jars', '', '--files=', 'local:///opt/app.jar'], io)).toBe(0)
    expect(io.out()).toContain('com.example.Main')
  })

  it('prints in a dry run what it would create, as JSON too, and asks nobody', async () => {
    const io = testIo()
    const argv = ['submit', '--dry-run', '--json', '--conf', 'spark.kubernetes.container.image=x:4.1.2', '--class', 'A']
    expect(await run([...argv, 'local:///opt/app.jar', '--class', 'b'], io)).toBe(0)
    const objects = JSON.parse(io.out()) as { kind: string; spec?: { containers: { args: string[] }[] } }[]
    expect(objects.map(({ kind }) => kind)).toEqual(['Pod', 'Service', 'ConfigMap'])
    expect(objects[0]!.spec!.containers[0]!.args.slice(-2)).toEqual(['--class', 'b'])
  })
})
