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
      { extends: true, test: { name: 'architecture', include: ['test/architecture/**/*.test.ts'] } },
    ],
  },
})
