/** Help, manual and completion all say the same, because they come from one table. */
import { execFileSync } from 'node:child_process'
import { listSettings } from '@supercargo/server'
import { describe, expect, it } from 'vitest'
import { commands } from './commands.ts'
import { helpOf, overview } from './help.ts'
import { programs } from './programs.ts'
import { run } from './run.ts'
import { serveOptions } from './serve-options.ts'
import { testIo } from './testing/test-io.ts'

async function said(...argv: string[]): Promise<string> {
  const io = testIo()
  expect(await run(argv, io)).toBe(0)
  expect(io.err()).toBe('')
  return io.out()
}

describe('help', () => {
  it('lists what there is, and nothing else', async () => {
    expect(await said('--help')).toMatchInlineSnapshot(`
      "Ships local jars and files into Spark pods on Kubernetes, and clears them away
      when their owner is gone.

      Usage: supercargo COMMAND [OPTIONS]

      Commands:
        serve              run the staging server
        stage              put files on the staging server
        fetch              get the same bytes back, verified
        localize           make dependencies appear in a pod, as a plan says
        submit             run a Spark application in the cluster
        inject             bring files into the pods of a manifest
        wrap               run your own Spark with what its pods need
        status             how drivers are
        logs               the log of a driver
        kill               stop a driver, with everything that belongs to it
        doctor             what would fail, and what to do about it
        resources list     what is staged, by whom, why it is kept
        resources show     the files of a resource
        resources explain  why a resource is kept or collected
        resources release  delete a resource now
        collector status   the last sweep, what is stopped and why
        collector release  let a stopped sweep go on, once
        store verify       whether every byte of a store is as it was staged
        store copy         bring all of a store into another
        token create       a path to which stock Spark uploads
        token list         the tokens, what is stored below each, when they end
        token revoke       end a token, for reading too
        completion         print a completion script for a shell
        manual             print the manual page

      Every option has an environment variable of its name: --token-file is
      SUPERCARGO_TOKEN_FILE. Flags win over it.

      More: supercargo COMMAND --help, supercargo manual, supercargo --version
      "
    `)
  })

  it('of a command says all of it', async () => {
    expect(await said('fetch', '--help')).toMatchInlineSnapshot(`
      "Usage: supercargo fetch ID [PATH…] [OPTIONS]

      Get the same bytes back, verified.

      PATH is a file or a folder of the resource; without one, everything is fetched.
      Files that are there already with the same bytes are left alone. A transfer that
      was cut goes on where it stopped, also in a later run.

      Without --secret-file, the token of --token-file must be that of a pod to which
      the resource belongs.

      Options:
            --to DIRECTORY        where the files appear
            --secret-file FILE    the file that holds the resource's secret
            --server URL          the staging server; a path prefix is kept (default:
                                  http://127.0.0.1:10000)
            --token-file FILE     a file with the token that says who asks
            --ca-file FILE        a certificate authority to trust beside the system's
                                  (PEM)
        -q, --quiet               say nothing but errors
            --json                write the result, and a failure too, as one JSON
                                  object
            --log-level LEVEL     how much is told; debug adds causes and stacks
                                  (error, warn, info, debug, trace; default: info)

      Examples:
        supercargo fetch ID --to ./jars --secret-file ./secret
      "
    `)
  })

  it('of a group lists its commands', async () => {
    expect(await said('collector', '--help')).toMatchInlineSnapshot(`
      "The commands of collector.

      Usage: supercargo collector COMMAND [OPTIONS]

      Commands:
        collector status   the last sweep, what is stopped and why
        collector release  let a stopped sweep go on, once

      Every option has an environment variable of its name: --token-file is
      SUPERCARGO_TOKEN_FILE. Flags win over it.

      More: supercargo COMMAND --help, supercargo manual, supercargo --version
      "
    `)
  })

  it('fits a terminal', () => {
    for (const text of [overview(), ...commands.map(helpOf)]) {
      const prose = text.split('\n\nExamples:')[0]!
      for (const line of prose.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
    }
  })

  it('comes with the version', async () => {
    expect(await said('--version')).toMatch(/^supercargo \d+\.\d+\.\d+\n$/)
  })
})

describe('the tables', () => {
  it('have a program for each command, and a command for each program', () => {
    expect(Object.keys(programs)).toEqual(commands.map((command) => command.name))
  })

  it('name each option once, and no two by one letter', () => {
    for (const { name, options } of commands) {
      const names = options.map((option) => option.name)
      const letters = options.flatMap((option) => option.short ?? [])
      expect(new Set(names).size, name).toBe(names.length)
      expect(new Set(letters).size, name).toBe(letters.length)
      expect([...names, ...letters]).not.toContain('help')
    }
  })

  it('have every setting of the server as an option of serve', () => {
    const settings = listSettings().filter(({ key }) => key !== 'store.url')
    const known = new Map(serveOptions.map((option) => [`--${option.name}`, option.value === undefined]))
    for (const { flag, isSwitch } of settings) expect(known.get(flag), flag).toBe(isSwitch)
    expect([...known.keys()].sort()).toEqual(['--config', '--print-config', ...settings.map(({ flag }) => flag)].sort())
  })
})

describe('the manual', () => {
  it('has every command and every option', async () => {
    const text = await said('manual')
    const roff = await said('manual', '--roff')
    for (const { name, options } of commands) {
      expect(text).toContain(`supercargo ${name}`)
      expect(roff).toContain(`.SH ${name.toUpperCase()}`)
      for (const option of options) {
        expect(text).toContain(`--${option.name}`)
        expect(roff).toContain(`\\-\\-${option.name.replaceAll('-', '\\-')}`)
      }
    }
    expect(await said('manual', 'stage')).toBe(await said('stage', '--help'))
  })
})

describe('completion', () => {
  /** What a real bash offers for the last word. */
  async function offered(...words: string[]): Promise<string[]> {
    const script = await said('completion', 'bash')
    const quoted = words.map((word) => `'${word}'`).join(' ')
    const program = `${script}\nCOMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _supercargo; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['--norc', '-c', program], { encoding: 'utf8', cwd: import.meta.dirname })
      .trim()
      .split('\n')
  }

  it('offers commands, verbs, options, choices and files', async () => {
    expect(await offered('supercargo', 'res')).toEqual(['resources'])
    expect(await offered('supercargo', 'resources', '')).toEqual(['list', 'show', 'explain', 'release'])
    expect(await offered('supercargo', 'stage', '--owner')).toEqual(['--owner', '--owner-uid', '--owner-label'])
    expect(await offered('supercargo', 'resources', 'list', '--na')).toEqual(['--namespace'])
    expect(await offered('supercargo', 'stage', '--log-level', 'd')).toEqual(['debug'])
    expect(await offered('supercargo', 'stage', 'help.te')).toEqual(['help.test.ts'])
  })

  it('is there for zsh and fish, and for nothing else', async () => {
    expect(await said('completion', 'zsh')).toContain('#compdef supercargo')
    expect(await said('completion', 'fish')).toContain('complete -c supercargo')
    const io = testIo()
    expect(await run(['completion', 'bsh'], io)).toBe(64)
    expect(io.err()).toContain('did you mean bash?')
  })
})
