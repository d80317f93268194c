/** The command line: what is understood, what is refused, and what the refusal suggests. */
import { usageExitCode } from '@supercargo/protocol'
import { describe, expect, it } from 'vitest'
import { readArguments } from './arguments.ts'
import { exitCodeOf } from './settings.ts'

function refused(argv: readonly string[], env: Record<string, string> = {}) {
  try {
    readArguments(argv, env)
  } catch (error) {
    return error as { message: string; hint: string | undefined; exitCode: number; code: string }
  }
  throw new Error(`${argv.join(' ')} was accepted`)
}

function run(argv: readonly string[], env: Record<string, string> = {}) {
  const request = readArguments(argv, env)
  if (request.kind !== 'run') throw new Error(`${argv.join(' ')} does not run`)
  return request
}

describe('a command line', () => {
  it.each([
    [['stgae'], '"stgae" is not a command', 'did you mean "stage"?'],
    [['resource', 'list'], '"resource" is not a command', 'did you mean "resources"?'],
    [['resources', 'lst'], '"resources lst" is not a command', 'did you mean "resources list"?'],
    [['resources', '--json'], 'resources needs a verb', /resources list, resources show/],
    [['collector', 'xyzzy'], '"collector xyzzy" is not a command', /collector status, collector release/],
    [['xyzzy'], '"xyzzy" is not a command', 'see supercargo --help'],
    [[], 'a command is missing', 'see supercargo --help'],
    [['--json', 'stage'], '--json stands before the command', /supercargo COMMAND/],
    [['stage', 'a', '--ownr', 'x'], 'stage has no option --ownr', 'did you mean --owner?'],
    [['stage', 'a', '--ownerlabel', 'x'], 'stage has no option --ownerlabel', 'did you mean --owner-label?'],
    [['stage', 'a', '-x'], 'stage has no option -x', 'see supercargo stage --help'],
    [['stage', 'a', '--to', 'x'], 'stage has no option --to', /.*/],
    [['stage', 'a', '--owner'], '--owner needs a value: KIND/NAME', /.*/],
    [['stage', 'a', '--owner', '--json'], '--owner needs a value: KIND/NAME', /.*/],
    [['stage', 'a', '--server='], '--server has an empty value', undefined],
    [['stage', 'a', '--json=yes'], '--json is a switch and takes no value', undefined],
    [['stage', 'a', '--log-level', 'loud'], '--log-level cannot be "loud"', /error, warn, info/],
    [['stage'], 'stage needs PATH…', 'see supercargo stage --help'],
    [['resources', 'show', 'a', 'b'], 'resources show does not take the argument "b"', /.*/],
    [['inject', 'x.yaml'], 'inject does not take the argument "x.yaml"', 'see supercargo inject --help'],
  ] as const)('%j is refused with its reason', (argv, message, hint) => {
    const error = refused(argv)
    expect(error.message).toBe(message)
    if (hint === undefined) expect(error.hint).toBeUndefined()
    else expect(error.hint).toEqual(typeof hint === 'string' ? hint : expect.stringMatching(hint))
    expect(exitCodeOf(error as never)).toBe(usageExitCode)
  })

  it('is understood in the usual ways of writing it', () => {
    for (const argv of [
      ['stage', 'a', 'b', '-n', 'spark', '--json'],
      ['stage', '--json', '-nspark', 'a', 'b'],
      ['stage', '--namespace=spark', 'a', '--json', '--', 'b'],
    ]) {
      const { command, positionals, settings } = run(argv)
      expect([
        command.name,
        positionals,
        settings.text('namespace'),
        settings.on('json'),
        settings.on('quiet'),
      ]).toEqual(['stage', ['a', 'b'], 'spark', true, false])
    }
    expect(run(['stage', '--', '--json']).positionals).toEqual(['--json'])
    expect(run(['stage', 'a', '--owner-label', 'a=1', '--owner-label=b=-2']).settings.list('owner-label')).toEqual([
      'a=1',
      'b=-2',
    ])
    expect(run(['stage', 'a', '--server', 'x', '--server', 'y']).settings.text('server')).toBe('y')
  })

  it.each([
    [['--help'], undefined],
    [['-h'], undefined],
    [['help'], undefined],
    [['help', 'stage'], 'stage'],
    [['stage', '--help'], 'stage'],
    [['stage', 'x', '-h'], 'stage'],
    [['help', 'resources', 'list'], 'resources list'],
    [['localize', '--help'], 'localize'],
  ])('%j asks for help', (argv, name) => {
    const request = readArguments(argv, {})
    expect(request.kind).toBe('help')
    expect(request.kind === 'help' ? request.command?.name : 'none').toBe(name)
  })

  it.each([[['resources', '--help']], [['help', 'resources']]])('%j asks for help on a group', (argv) => {
    expect(readArguments(argv, {})).toMatchObject({ kind: 'help', group: 'resources' })
  })

  it('of localize is left to the program, which tells of its mistakes in the termination log', () => {
    expect(run(['localize', '--plam', 'x']).argv).toEqual(['--plam', 'x'])
  })
})

describe('an option', () => {
  it('comes from the flag, else the environment, else its default', () => {
    const env = { SUPERCARGO_SERVER: 'http://env', SUPERCARGO_OWNER_LABEL: 'a=1, b=2', SUPERCARGO_QUIET: 'yes' }
    expect(run(['stage', 'a']).settings.text('server')).toBe('http://127.0.0.1:10000')
    expect(run(['stage', 'a'], env).settings.text('server')).toBe('http://env')
    expect(run(['stage', 'a', '--server', 'http://flag'], env).settings.text('server')).toBe('http://flag')
    expect(run(['stage', 'a'], env).settings.list('owner-label')).toEqual(['a=1', 'b=2'])
    expect(run(['stage', 'a'], env).settings.on('quiet')).toBe(true)
    expect(run(['stage', 'a'], { SUPERCARGO_QUIET: 'false', SUPERCARGO_SERVER: '' }).settings.on('quiet')).toBe(false)
  })

  it('from the environment is named by its variable when it is wrong', () => {
    expect(refused(['stage', 'a'], { SUPERCARGO_QUIET: 'maybe' }).message).toContain('SUPERCARGO_QUIET')
    expect(refused(['stage', 'a'], { SUPERCARGO_LOG_LEVEL: 'loud' }).message).toContain('SUPERCARGO_LOG_LEVEL')
  })
})
