/** The command line of spark-submit, in every way of writing it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readSubmitArguments, sparkOptions } from './arguments.ts'

const read = (...argv: string[]) => readSubmitArguments(argv, sparkOptions)

describe('a command line', () => {
  it('means the same with a blank and with =', () => {
    const one = read('--class', 'A', '--jars', 'a.jar,b.jar', '-c', 'spark.x=1', '--conf=spark.y=2', '-v', 'app.jar')
    const other = read(
      '--class=A',
      '--jars=a.jar,b.jar',
      '--conf',
      'spark.x=1',
      '-c',
      'spark.y=2',
      '--verbose',
      'app.jar',
    )
    expect(one).toEqual(other)
    expect(one.given.get('conf')).toEqual(['spark.x=1', 'spark.y=2'])
  })

  it('ends at the application: what follows is the application’s, whatever it looks like', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (rest) => {
        const { given, application, applicationArguments } = read('--name', 'n', 'app.jar', ...rest)
        expect([application, applicationArguments, [...given.keys()]]).toEqual(['app.jar', rest, ['name']])
      }),
    )
  })

  it('takes the word behind an option as its value, also when it begins with a dash', () => {
    expect(read('--driver-java-options', '-Xmx1g -Da=b', 'a.jar').given.get('driver-java-options')).toEqual([
      '-Xmx1g -Da=b',
    ])
  })

  it('takes the last of an option that is given twice', () => {
    expect(read('--name', 'a', '--name', 'b').given.get('name')).toEqual(['b'])
  })

  it.each([
    [['--clas', 'A'], 'submit has no option --clas', 'did you mean --class?'],
    [['-x'], 'submit has no option -x', undefined],
    [['--class'], '--class needs a value: CLASS', undefined],
    [['--verbose=1'], '--verbose is a switch and takes no value', undefined],
  ])('%j is refused with its reason', (argv, message, hint) => {
    expect(() => read(...argv)).toThrow(
      expect.objectContaining({ kind: 'invalid', code: 'usage', message, ...(hint === undefined ? {} : { hint }) }),
    )
  })
})
