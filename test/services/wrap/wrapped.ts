/** `supercargo wrap` as a process, with the Spark of a test line in its PATH. */
import { join } from 'node:path'
import type { SparkLine } from '../spark/provision.ts'
import type { SparkDetails } from '../spark/start.ts'
import { type Call, type Started, supercargo } from '../supercargo.ts'

export interface WrapCall extends Call {
  readonly namespace: string
}

export function wrapped({ namespace, environment, ...call }: WrapCall, argv: readonly string[]): Started {
  const own = { SUPERCARGO_NAMESPACE: namespace, ...environment }
  return supercargo({ ...call, environment: own }, ['wrap', ...argv])
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
