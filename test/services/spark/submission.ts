/** Runs the spark-submit of a test Spark, as a user with that Spark installed would. */
import { join } from 'node:path'
import { type CommandResult, tryCommand } from '../command.ts'
import type { SparkLine } from './provision.ts'
import type { SparkDetails } from './start.ts'

const timeoutMs = 600_000

export function sparkSubmit(
  spark: SparkDetails,
  line: SparkLine,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const home = line === '4' ? spark.home4 : spark.home3
  // The address is given, so that Spark does not look for one among the interfaces.
  const own = {
    SPARK_HOME: home,
    JAVA_HOME: spark.javaHome,
    SPARK_LOCAL_IP: '127.0.0.1',
    PYSPARK_PYTHON: 'python3',
    ...env,
  }
  return tryCommand([join(home, 'bin', 'spark-submit'), ...args], { env: own, timeoutMs, site: spark.directory })
}
