/** Kubeflow's operator for Spark and the definitions of its kinds, from the Go module proxy. */
import { join } from 'node:path'
import { goBuild } from '../go-build.ts'
import type { Progress } from '../service.ts'

export interface OperatorAssets {
  readonly program: string
  /** Manifests. */
  readonly definitions: readonly string[]
}

/** The version that `build/` pins. */
export const operatorVersion = 'v2.5.2'

const module = 'github.com/kubeflow/spark-operator/v2'
const kinds: readonly string[] = ['sparkapplications', 'scheduledsparkapplications', 'sparkconnects']
const buildDiskBytes = 2_000_000_000

export async function provisionOperator(progress: Progress): Promise<OperatorAssets> {
  const files = kinds.map((kind) => `sparkoperator.k8s.io_${kind}.yaml`)
  const directory = await goBuild(
    {
      name: 'spark-operator',
      takes: `${operatorVersion}, about two minutes on two cores`,
      diskBytes: buildDiskBytes,
      programs: [
        {
          module: join(import.meta.dirname, 'build'),
          packages: [`${module}/cmd/operator`],
          files: { of: module, paths: files.map((file) => `config/crd/bases/${file}`) },
        },
      ],
    },
    progress,
  )
  return { program: join(directory, 'operator'), definitions: files.map((file) => join(directory, file)) }
}
