/** The rules for Prometheus that are shipped, against the metrics of a real server. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type ServerProcess, startStagingServer } from '../process/staging-server.ts'
import { until } from '../services/until.ts'

const directory = mkdtempSync(join(tmpdir(), 'supercargo-alerts-'))
let server: ServerProcess
let metrics: string

beforeAll(async () => {
  // A cluster that cannot be found: the collector looks for it, so that every metric of its search is there.
  server = await startStagingServer({
    arguments: ['--store', directory, '--kube', 'auto'],
    env: { KUBECONFIG: '', HOME: directory, KUBERNETES_SERVICE_HOST: '' },
  })
  const scrape = async (): Promise<string> => (await fetch(`${server.url}/metrics`)).text()
  const swept = async (): Promise<boolean> => {
    metrics = await scrape()
    return metrics.includes('supercargo_sweep_last_start_seconds ')
  }
  await until('the first sweep', swept, { timeoutMs: 20_000 })
})
afterAll(async () => {
  await server.stop()
  rmSync(directory, { recursive: true })
})

interface Rule {
  readonly alert: string
  readonly expr: string
  readonly annotations: { readonly summary: string; readonly description: string }
}

const file = resolve(import.meta.dirname, '../../deploy/base/alerts.yaml')
const rules = (parse(readFileSync(file, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  ({ rules }) => rules,
)
const namesIn = (text: string): string[] => text.match(/supercargo_[a-z_]+/g) ?? []

describe('the alert rules', () => {
  it.each(rules.map((rule) => [rule.alert, rule] as const))(
    '%s names metrics that exist, and what to do',
    (_, rule) => {
      const names = namesIn(rule.expr)
      expect(names.length).toBeGreaterThan(0)
      for (const name of [...names, ...namesIn(rule.annotations.description)])
        expect(metrics, name).toMatch(new RegExp(`^# TYPE ${name} `, 'm'))
      expect(rule.annotations.summary).not.toBe('')
      expect(rule.annotations.description).not.toBe('')
    },
  )

  it('cover every reason for which collection stops, by a label that the server gives', () => {
    const codes = [...metrics.matchAll(/^supercargo_collection_paused\{code="([^"]+)"\}/gm)].map(([, code]) => code!)
    expect(codes.length).toBeGreaterThan(3)
    const description = rules.map(({ expr, annotations }) => `${expr} ${annotations.description}`).join()
    for (const code of codes) expect(description).toContain(code)
  })
})
