/** The rules for Prometheus and the dashboard for Grafana that are shipped, against the metrics of a real server. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type ServerProcess, startStagingServer } from '../process/staging-server.ts'
import { until } from '../services/until.ts'

const directory = mkdtempSync(join(tmpdir(), 'supercargo-monitoring-'))
let server: ServerProcess
let metrics: string

beforeAll(async () => {
  // A cluster that cannot be found: the collector looks for it, so that every metric of its search is there.
  server = await startStagingServer({
    arguments: ['--store', directory, '--kube', 'auto'],
    env: { KUBECONFIG: '', HOME: directory, KUBERNETES_SERVICE_HOST: '' },
  })
  // What failed is counted by its code only when something has.
  await fetch(`${server.url}/api/v1/nowhere`)
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

interface Panel {
  readonly title: string
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[]
}

const shipped = (name: string): string =>
  readFileSync(resolve(import.meta.dirname, '../../deploy/chart/files', name), 'utf8')
const { groups } = parse(shipped('alerts.yaml')) as { groups: { rules: Rule[] }[] }
const rules = groups.flatMap(({ rules }) => rules)
const { panels } = JSON.parse(shipped('dashboard.json')) as { panels: Panel[] }
const namesIn = (text: string): string[] => text.match(/(supercargo|process)_[a-z_]+/g) ?? []

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

describe('the dashboard', () => {
  it.each(panels.map((panel) => [panel.title, panel] as const))(
    '%s shows metrics and labels that exist',
    (_, panel) => {
      expect(panel.targets.length).toBeGreaterThan(0)
      for (const { expr, legendFormat } of panel.targets) {
        const [name] = namesIn(expr)
        if (name === undefined) {
          expect(expr).toContain('kubelet_volume_stats_capacity_bytes')
          continue
        }
        expect(metrics, name).toMatch(new RegExp(`^# TYPE ${name.replace(/_bucket$/, '')} `, 'm'))
        const samples = metrics.match(new RegExp(`^${name}\\{.*$`, 'gm')) ?? []
        const labels = (/ by \(([^)]*)\)/.exec(expr)?.[1] ?? '').split(/,\s*/).filter(Boolean)
        for (const label of labels) for (const sample of samples) expect(sample).toContain(`${label}="`)
        for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) expect(labels).toContain(label)
      }
    },
  )
})
