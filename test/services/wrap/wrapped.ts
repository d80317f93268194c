/** `supercargo wrap` as a process, with the Spark of a test line in its PATH. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { command } from '../../process/staging-server.ts'
import type { SparkLine } from '../spark/provision.ts'
import type { SparkDetails } from '../spark/start.ts'

export interface Wrapped {
  readonly child: ReturnType<typeof spawn>
  /** What it has said so far. */
  readonly said: { out: string; err: string }
  readonly ended: Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>
}

export interface WrapCall {
  readonly directory: string
  readonly kubeconfig: string
  readonly namespace: string
  readonly environment?: Readonly<Record<string, string>>
}

export function wrapped({ directory, kubeconfig, namespace, environment }: WrapCall, argv: readonly string[]): Wrapped {
  const env = { ...process.env, KUBECONFIG: kubeconfig, SUPERCARGO_NAMESPACE: namespace, NO_COLOR: '1', ...environment }
  const child = spawn(process.execPath, [command, 'wrap', ...argv], {
    cwd: directory,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { out: '', err: '' }
  child.stdout!.on('data', (text) => {
    said.out += text
  })
  child.stderr!.on('data', (text) => {
    said.err += text
  })
  return { child, said, ended: once(child, 'close').then(([code]) => ({ code: code as number | null, ...said })) }
}

export function sparkEnvironment(spark: SparkDetails, line: SparkLine): Readonly<Record<string, string>> {
  const home = line === '4' ? spark.home4 : spark.home3
  return {
    SPARK_HOME: home,
    JAVA_HOME: spark.javaHome,
    // The address is given, so that Spark does not look for one among the interfaces.
    SPARK_LOCAL_IP: '127.0.0.1',
    PYSPARK_PYTHON: 'python3',
    PATH: `${join(home, 'bin')}:${process.env.PATH}`,
  }
}
