/** A command line keeps every word that is not decided anew, in its place. */
import { describe, expect, it } from 'vitest'
import { argumentsOf, onlyAsks, type Rewriting, readCommandLine, rewrite } from './command-line.ts'

const nothing: Rewriting = {
  settings: new Map(),
  without: new Set(),
  application: undefined,
  propertiesFile: undefined,
}

function rewritten(command: string, change: Partial<Omit<Rewriting, 'settings'>> & { settings?: object } = {}): string {
  const settings = new Map(Object.entries(change.settings ?? {})) as Map<string, string>
  return rewrite(readCommandLine(command.split(' ')), { ...nothing, ...change, settings }).join(' ')
}

const jars = { settings: { 'spark.jars': 'J' } }

describe('a command line', () => {
  it.each([
    'spark-submit --class A --jars a.jar -v app.jar --jars b.jar -- x',
    'spark-shell --jars a.jar -i init.scala --conf spark.x=1 -e',
    'pyspark --unknown --py-files a.py',
    'spark-sql -e select --hiveconf a=b --jars a.jar -f x.sql',
    './run-spark-submit.sh --local --jars=a.jar --driver-class-path /x app.jar 1',
    'bash -c true',
  ])('with nothing to say stays as it is: %s', (command) => {
    expect(rewritten(command)).toBe(command)
  })

  it.each([
    ['spark-submit --jars a.jar app.jar', 'spark-submit --jars J app.jar'],
    ['spark-submit --jars=a.jar app.jar', 'spark-submit --jars=J app.jar'],
    ['spark-submit --conf spark.jars=a.jar app.jar', 'spark-submit --conf spark.jars=J app.jar'],
    ['spark-submit -c spark.jars=a.jar app.jar', 'spark-submit --conf spark.jars=J app.jar'],
    ['spark-submit --class A app.jar --jars b.jar', 'spark-submit --class A --conf spark.jars=J app.jar --jars b.jar'],
    // Spark takes the option over --conf, and the last of two.
    ['spark-submit --jars a.jar --conf spark.jars=b.jar app.jar', 'spark-submit --jars J app.jar'],
    ['spark-submit --jars a.jar --jars b.jar app.jar', 'spark-submit --jars J app.jar'],
    ['spark-shell -i x.scala --jars a.jar -e', 'spark-shell -i x.scala --jars J -e'],
    ['spark-shell -i x.scala', 'spark-shell -i x.scala --conf spark.jars=J'],
    ['pyspark', 'pyspark --conf spark.jars=J'],
    ['pyspark --name x --foo', 'pyspark --name x --conf spark.jars=J --foo'],
    ['spark-sql -e q --jars a.jar -S', 'spark-sql -e q --jars J -S'],
    ['/opt/run-spark-shell.sh --local --jars a.jar', '/opt/run-spark-shell.sh --local --jars J'],
    ['bash run.sh --foo app.jar 1', 'bash run.sh --foo --conf spark.jars=J app.jar 1'],
    ['bash run.sh --name x --foo bar app.jar 1', 'bash run.sh --name x --conf spark.jars=J --foo bar app.jar 1'],
  ])('says a new value where the old one was: %s', (before, after) => {
    expect(rewritten(before, jars)).toBe(after)
  })

  it('gives the application another name, and leaves its arguments', () => {
    const change = { application: 'local:///x/app.jar' }
    expect(rewritten('spark-submit --class A app.jar app.jar', change)).toBe(
      'spark-submit --class A local:///x/app.jar app.jar',
    )
    expect(rewritten('run.sh -x app.jar app.jar', change)).toBe('run.sh -x local:///x/app.jar app.jar')
  })

  it('does not say at all what the properties file says', () => {
    const change = { without: new Set(['spark.files']), propertiesFile: 'P' }
    expect(rewritten('spark-submit --files a.txt --conf spark.files=b.txt --class A app.jar', change)).toBe(
      'spark-submit --class A --properties-file P app.jar',
    )
    expect(rewritten('spark-submit --properties-file mine --files a.txt app.jar', change)).toBe(
      'spark-submit --properties-file P app.jar',
    )
  })

  it('is read as spark-submit reads it: the word behind an option is its value', () => {
    const line = readCommandLine(['spark-submit', '--name', '--jars', '--conf', 'a=b', 'x', '--name', 'y'])
    expect(argumentsOf(line)).toEqual({
      given: new Map([
        ['name', ['--jars']],
        ['conf', ['a=b']],
      ]),
      application: 'x',
      applicationArguments: ['--name', 'y'],
    })
  })

  it.each([
    ['spark-submit --version', true],
    ['spark-shell --help', true],
    ['spark-submit --kill spark:driver --master k8s://x', true],
    ['spark-submit app.jar --help', false],
    ['pyspark', false],
  ])('is only a question, or not: %s %s', (command, asks) => {
    expect(onlyAsks(readCommandLine(command.split(' ')))).toBe(asks)
  })
})
