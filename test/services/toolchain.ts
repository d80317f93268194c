/** The toolchains of this machine that services are built with or run on, and what to install where one is missing or too old. */
import { existsSync, realpathSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { tryCommand } from './command.ts'
import type { Missing } from './service.ts'

const probeTimeoutMs = 60_000

/** The oldest Go that gets the release that a module asks for by itself. */
export const selfUpdatingGoMinor = 21
/** The oldest Go that is known to fetch a newer one when it is told to. */
const goMinorMin = 19
/** Java releases that every version of Spark and Hadoop used here supports. */
const javaMajors: readonly number[] = [17, 21]
const pythonMinorMin = 10

/** The path of a program on the PATH, or where Debian keeps what only root has there. */
export function findProgram(name: string, path = process.env.PATH ?? ''): string | undefined {
  return [...path.split(delimiter), '/usr/sbin', '/sbin']
    .filter(Boolean)
    .map((directory) => join(directory, name))
    .find((file) => existsSync(file))
}

export async function missingGo(): Promise<readonly Missing[]> {
  const install = `Install Go 1.${goMinorMin} or newer (Debian: golang-go); it gets the release that builds.`
  const minor = await goMinor()
  if (minor === undefined) return [{ what: 'Go', install }]
  return minor < goMinorMin ? [{ what: `a newer Go than 1.${minor}`, install }] : []
}

/** 26 for Go 1.26.8; `undefined` without Go. */
export async function goMinor(): Promise<number | undefined> {
  const found = await version(['go', 'version'])
  return found === undefined ? undefined : Number(/go1\.(\d+)/.exec(found)?.[1] ?? 0)
}

/** `JAVA_HOME` decides when it is set, as it does for Spark and Hadoop. */
export async function missingJava(): Promise<readonly Missing[]> {
  const home = process.env.JAVA_HOME
  const java = home ? join(home, 'bin', 'java') : 'java'
  const install = `Install OpenJDK 17 (Debian: openjdk-17-jdk-headless)${home ? ', or point JAVA_HOME at one' : ''}.`
  const found = await version([java, '-version'])
  if (found === undefined) return [{ what: home ? `the Java of JAVA_HOME` : 'Java', install }]
  // Until 8 the number that people use was the second one.
  const major = Number(/version "(?:1\.)?(\d+)/.exec(found)?.[1] ?? 0)
  return javaMajors.includes(major) ? [] : [{ what: `Java 17 or 21 (Java ${major} was found)`, install }]
}

/** The home of the Java that `missingJava` looked at. */
export function javaHome(): string {
  if (process.env.JAVA_HOME) return process.env.JAVA_HOME
  return dirname(dirname(realpathSync(findProgram('java') ?? 'java')))
}

export function missingCompiler(): readonly Missing[] {
  return existsSync(join(javaHome(), 'bin', 'javac'))
    ? []
    : [{ what: 'the Java compiler', install: 'Install a JDK, not only a JRE (Debian: openjdk-17-jdk-headless).' }]
}

export async function missingPython(): Promise<readonly Missing[]> {
  const install = `Install Python 3.${pythonMinorMin} or newer with pip (Debian: python3 python3-pip).`
  const found = await version(['python3', '-m', 'pip', '--version'])
  if (found === undefined) return [{ what: 'Python 3 with pip', install }]
  const minor = Number(/python 3\.(\d+)/.exec(found)?.[1] ?? 0)
  return minor < pythonMinorMin ? [{ what: `a newer Python than 3.${minor}`, install }] : []
}

export function missingProgram(name: string, debianPackage: string): readonly Missing[] {
  return findProgram(name) === undefined ? [{ what: name, install: `Install ${name} (Debian: ${debianPackage}).` }] : []
}

export function missingRoot(): readonly Missing[] {
  return process.getuid?.() === 0 ? [] : [{ what: 'root', install: 'Run it as root, on a machine that you can spare.' }]
}

/** Root inside a container often may not make a machine inside the machine. */
export async function missingNamespaces(): Promise<readonly Missing[]> {
  if (missingRoot().length > 0 || missingProgram('unshare', 'util-linux').length > 0) return []
  const probe = ['unshare', '--net', '--mount', '--pid', '--ipc', '--cgroup', '--fork', 'true']
  const { exitCode } = await tryCommand(probe, { timeoutMs: probeTimeoutMs })
  const install = 'Run it outside of a container, or in one that is privileged.'
  return exitCode === 0 ? [] : [{ what: 'the right to make namespaces', install }]
}

export function missingLinux(): readonly Missing[] {
  return process.platform === 'linux' ? [] : [{ what: 'Linux', install: 'Run the real services on Linux.' }]
}

async function version(argv: readonly string[]): Promise<string | undefined> {
  try {
    const { exitCode, stdout, stderr } = await tryCommand(argv, { timeoutMs: probeTimeoutMs })
    return exitCode === 0 ? stdout + stderr : undefined
  } catch {
    // It is not there or does not run: the caller says what to install.
    return undefined
  }
}
