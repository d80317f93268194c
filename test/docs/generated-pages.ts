/** The pages that are made from what the programs themselves use: commands, error codes, metrics, alerts, the API. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { kindTable } from '@supercargo/protocol'
import { parse } from 'yaml'
import { commands } from '../../packages/cli/src/commands.ts'
import { explained, signature } from '../../packages/cli/src/help.ts'
import { environmentName } from '../../packages/cli/src/options.ts'
import { describeApi } from '../../packages/server/src/http/openapi.ts'
import { createMetrics } from '../../packages/server/src/metrics.ts'
import { errorCodes } from './error-codes.ts'

export function commandsPage(): string {
  const lines = ['# Commands', '', 'Every option can be given by the environment variable behind it, too.', '']
  for (const { name, usage, summary, details, options, examples } of commands) {
    lines.push(`## supercargo ${name}`, '', `${summary}.`, '', fenced('', `supercargo ${name} ${usage}`.trim()), '')
    for (const paragraph of details) lines.push(paragraph, '')
    if (options.length > 0) lines.push('| option | | environment |', '| --- | --- | --- |')
    for (const option of options)
      lines.push(row([code(signature(option)), explained(option), code(environmentName(option))]))
    if (examples.length > 0) lines.push('', fenced('', examples.join('\n')))
    lines.push('')
  }
  return lines.join('\n')
}

export function errorsPage(): string {
  const lines = [
    '# Error codes',
    '',
    'An error has a kind, which programs act upon, and a code, which names the situation. The kind decides the status of an HTTP',
    'answer, the exit code of a command, and whether the same request may succeed later by itself.',
    '',
    '| kind | HTTP status | exit code | tried again |',
    '| --- | --- | --- | --- |',
  ]
  for (const [kind, { status, exitCode, retry }] of Object.entries(kindTable))
    lines.push(row([code(kind), String(status), String(exitCode), retry ? 'yes' : 'no']))
  lines.push(
    '',
    'Codes that begin with `kube-`, `s3-`, `hdfs-`, `tls-` or `http-` are about the other side: the API server, an object store, a',
    'NameNode, a certificate, the status of an answer. ‹Names› stand for what is put in.',
    '',
  )
  const byCode = Map.groupBy(errorCodes(), ({ code }) => code)
  for (const [name, cases] of byCode) {
    lines.push(`### ${name}`, '')
    for (const { kind, message, hint, package: owner } of cases)
      lines.push(`- ${escaped(message)}${hint === undefined ? '' : ` — ${escaped(hint)}`} *(${kind}, ${owner})*`)
    lines.push('')
  }
  return lines.join('\n')
}

export async function metricsPage(): Promise<string> {
  const nothing = { bytes: 0, reservedBytes: 0, openUploads: 0, namespaces: {} }
  const sources = {
    usage: () => nothing,
    activeUploads: () => 0,
    activeDownloads: () => 0,
    collector: async () => undefined,
  }
  const text = await createMetrics(sources).render()
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name!, type!]))
  const lines = [
    '# Metrics',
    '',
    '`GET /metrics` in the format of Prometheus. Beside these it gives what every Node.js process gives (`process_…`, `nodejs_…`).',
    '',
    '| metric | type | |',
    '| --- | --- | --- |',
  ]
  const helps = [...text.matchAll(/^# HELP (supercargo_\S+) (.+)$/gm)].sort(([, a], [, b]) => (a! < b! ? -1 : 1))
  for (const [, name, help] of helps) lines.push(row([code(name!), types.get(name!) ?? '', escaped(help!)]))
  return `${lines.join('\n')}\n`
}

interface Alerts {
  readonly groups: {
    readonly rules: {
      readonly alert: string
      readonly expr: string
      readonly for?: string
      readonly labels: { readonly severity: string }
      readonly annotations: { readonly summary: string; readonly description: string }
    }[]
  }[]
}

export function alertsPage(): string {
  const file = resolve(import.meta.dirname, '../../deploy/chart/files/alerts.yaml')
  const { groups } = parse(readFileSync(file, 'utf8')) as Alerts
  const lines = ['# Alerts', '', 'The rules are in `deploy/chart/files/alerts.yaml`.', '']
  for (const { alert, expr, labels, annotations, ...rule } of groups.flatMap(({ rules }) => rules)) {
    lines.push(`## ${alert}`, '', escaped(annotations.summary), '', escaped(annotations.description), '')
    lines.push(`Severity ${labels.severity}${rule.for === undefined ? '' : `, after ${rule.for}`}:`, '')
    lines.push(fenced('', expr), '')
  }
  return lines.join('\n')
}

interface Operation {
  readonly summary: string
  readonly parameters: {
    readonly name: string
    readonly in: string
    readonly required?: boolean
    readonly description?: string
  }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> }
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, unknown>> }>
  >
  readonly security?: Readonly<Record<string, unknown>>[]
}

export function apiPage(): string {
  const { paths } = describeApi('https://staging.example.org') as { paths: Record<string, Record<string, Operation>> }
  const lines = [
    '# API',
    '',
    'The whole with its schemas, for generators of clients: `GET /api/v1/openapi.json`. Errors are `application/problem+json` with the',
    '[codes](errors) of this documentation.',
    '',
  ]
  for (const [path, methods] of Object.entries(paths))
    for (const [method, { summary, parameters, requestBody, responses, security }] of Object.entries(methods)) {
      lines.push(`## ${method.toUpperCase()} ${escaped(path)}`, '', `${escaped(summary)}.`, '')
      if (security !== undefined && security.length > 0)
        lines.push(
          `Takes ${security.map((each) => Object.keys(each).map(code).join(' and ') || 'nothing').join(' or ')}.`,
          '',
        )
      if (parameters.length > 0) lines.push('| parameter | in | |', '| --- | --- | --- |')
      for (const { name, in: place, required, description } of parameters)
        lines.push(
          row([code(name), place, escaped([required ? 'required' : '', description ?? ''].filter(Boolean).join('; '))]),
        )
      if (requestBody !== undefined) lines.push('', `Body: ${Object.keys(requestBody.content).map(code).join(' or ')}`)
      lines.push('', '| answer | | |', '| --- | --- | --- |')
      for (const [status, { description, content }] of Object.entries(responses))
        lines.push(
          row([
            status,
            escaped(description),
            Object.keys(content ?? {})
              .map(code)
              .join(', '),
          ]),
        )
      lines.push('')
    }
  return lines.join('\n')
}

const fenced = (language: string, text: string): string => `\`\`\`${language}\n${text}\n\`\`\``
const code = (text: string): string => (text === '' ? '' : `\`${text.replaceAll('|', '\\|')}\``)
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
/** Text that is no markup, in a paragraph or in a cell. */
const escaped = (text: string): string => text.replaceAll(/[\\`*_<>[\]|]/g, (char) => `\\${char}`).replaceAll('\n', ' ')
