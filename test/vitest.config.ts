/** Test projects: unit tests sit beside their source, cross-package tests here, real services and the architecture rules apart. */
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { servicesWanted } from './services/wanted.ts'

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
    // A state that is waited for comes late on a busy machine.
    expect: { poll: { timeout: 20_000 } },
    hookTimeout: 60_000,
    projects: [
      { extends: true, test: { name: 'unit', include: ['packages/*/src/**/*.test.ts'] } },
      { extends: true, test: { name: 'flows', include: ['test/{flows,faults,docs}/**/*.test.ts'] } },
      ...(servicesWanted() !== 'none'
        ? [
            {
              extends: true as const,
              test: {
                name: 'services',
                include: ['test/services/**/*.test.ts'],
                globalSetup: ['test/services/global-setup.ts'],
                testTimeout: 900_000,
                // The first to ask for a service waits until it is built.
                hookTimeout: 60 * 60_000,
                // A cluster and its JVMs take both cores: they come when the tests that watch the time are done.
                sequence: { groupOrder: 1 },
                // They wait for pods and JVMs more than they compute.
                maxWorkers: 3,
              },
            },
          ]
        : []),
      { extends: true, test: { name: 'architecture', include: ['test/architecture/**/*.test.ts'] } },
    ],
  },
})
