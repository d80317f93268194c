/** What a cluster must know before it takes a Gateway's route, a certificate or a monitor: the real definitions, from the Go modules of their projects. */
import { copyFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fromCache } from '../cache.ts'
import { command } from '../command.ts'
import { goToolchain } from '../go-toolchain.ts'
import type { Progress } from '../service.ts'

/** Module at a version, which Go checks against the public sums, and the files in it. */
const sources: readonly (readonly [module: string, files: readonly string[]])[] = [
  ['sigs.k8s.io/gateway-api@v1.4.1', ['config/crd/standard/gateway.networking.k8s.io_httproutes.yaml']],
  ['github.com/cert-manager/cert-manager@v1.21.2', ['deploy/crds/cert-manager.io_certificates.yaml']],
  [
    'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    ['servicemonitors', 'prometheusrules'].map(
      (kind) => `example/prometheus-operator-crd/monitoring.coreos.com_${kind}.yaml`,
    ),
  ],
]
const diskBytes = 100_000_000

/** The folder that holds them. */
export function provisionDefinitions(progress: Progress): Promise<string> {
  return fromCache(
    {
      name: 'kinds-of-others',
      key: ['1', ...sources.flat(2)],
      takes: 'a download of 15 MB',
      diskBytes,
      build: async (directory, { signal, logFile }) => {
        const go = await goToolchain(progress)
        for (const [module, files] of sources) {
          const options = { cwd: directory, env: go.env, site: directory, signal, logFile }
          const found = await command([go.program, 'mod', 'download', '-json', module], options)
          const { Dir } = JSON.parse(found) as { readonly Dir: string }
          for (const file of files) await copyFile(join(Dir, file), join(directory, basename(file)))
        }
      },
    },
    progress,
  )
}
