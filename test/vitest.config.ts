/** Test projects: unit tests sit beside their source, cross-package tests here, the architecture rules apart. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    // The machine-readable report is for .ci/run, which takes its closing line from it.
    reporters: process.env.SUPERCARGO_TEST_REPORT === undefined ? ['default'] : ['default', 'json'],
    ...(process.env.SUPERCARGO_TEST_REPORT === undefined
      ? {}
      : { outputFile: { json: process.env.SUPERCARGO_TEST_REPORT } }),
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'unit', include: ['packages/*/src/**/*.test.ts'] } },
      { extends: true, test: { name: 'flows', include: ['test/{flows,faults}/**/*.test.ts'] } },
      // Real services: built from their sources at first use, so they are asked for by name.
      ...(process.env.SUPERCARGO_TEST_SERVICES === '1'
        ? [
            {
              extends: true as const,
              test: {
                name: 'services',
                include: ['test/services/**/*.test.ts'],
                globalSetup: ['test/services/global-setup.ts'],
                testTimeout: 300_000,
              },
            },
          ]
        : []),
      { extends: true, test: { name: 'architecture', include: ['test/architecture/**/*.test.ts'] } },
    ],
  },
})
