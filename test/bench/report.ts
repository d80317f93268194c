/** Medians, and ratios to the first contender that a user would pick instead, as a table and as data. */
import { median } from './process-meter.ts'

export interface Sample {
  readonly workload: string
  /** `what / by whom`. */
  readonly name: string
  readonly bytes: number
  readonly wallSeconds: number
  readonly cpuSeconds: number
  readonly rssPeakMib: number
  readonly serverCpuSeconds?: number
  readonly serverRssPeakMib?: number
  readonly sentBytes?: number
}

export interface Row {
  readonly workload: string
  readonly what: string
  readonly contender: string
  readonly rounds: number
  readonly wallSeconds: number
  readonly clientCpuSecondsPerGib: number
  readonly serverCpuSecondsPerGib: number | undefined
  readonly clientRssMib: number
  readonly serverRssMib: number | undefined
  readonly sentShare: number | undefined
  /** Wall time of this contender over ours: above 1 we are faster. */
  readonly wallOverOurs: number | undefined
}

export function summarise(samples: readonly Sample[]): Row[] {
  const groups = Map.groupBy(samples, ({ workload, name }) => `${workload}\0${name}`)
  const rows = [...groups.values()].map((group): Row => {
    const first = group[0]!
    const [what, contender] = first.name.split(' / ') as [string, string]
    const gib = first.bytes / 2 ** 30
    const of = (pick: (sample: Sample) => number): number => median(group.map(pick))
    const served = first.serverCpuSeconds !== undefined
    return {
      workload: first.workload,
      what,
      contender,
      rounds: group.length,
      wallSeconds: of((sample) => sample.wallSeconds),
      clientCpuSecondsPerGib: of((sample) => sample.cpuSeconds) / gib,
      serverCpuSecondsPerGib: served ? of((sample) => sample.serverCpuSeconds!) / gib : undefined,
      clientRssMib: of((sample) => sample.rssPeakMib),
      serverRssMib: served ? of((sample) => sample.serverRssPeakMib!) : undefined,
      sentShare: first.sentBytes === undefined ? undefined : of((sample) => sample.sentBytes!) / first.bytes,
      wallOverOurs: undefined,
    }
  })
  return rows
    .map((row) => {
      const ours = rows.find(
        (each) => each.workload === row.workload && each.what === row.what && each.contender.startsWith('supercargo'),
      )
      return { ...row, wallOverOurs: ours === undefined ? undefined : row.wallSeconds / ours.wallSeconds }
    })
    .sort((a, b) => `${a.workload}${a.what}`.localeCompare(`${b.workload}${b.what}`) || a.wallSeconds - b.wallSeconds)
}

export function printTable(rows: readonly Row[]): void {
  const heads = [
    'workload',
    'what',
    'contender',
    'wall s',
    '÷ ours',
    'client CPU s/GiB',
    'server CPU s/GiB',
    'client RSS MiB',
    'server RSS MiB',
    'sent',
  ]
  const number = (value: number | undefined, digits: number): string =>
    value === undefined ? '' : value.toFixed(digits)
  const lines = rows.map((row) => [
    row.workload,
    row.what,
    row.contender,
    number(row.wallSeconds, 2),
    number(row.wallOverOurs, 2),
    number(row.clientCpuSecondsPerGib, 2),
    number(row.serverCpuSecondsPerGib, 2),
    number(row.clientRssMib, 0),
    number(row.serverRssMib, 0),
    row.sentShare === undefined ? '' : `${(row.sentShare * 100).toFixed(1)} %`,
  ])
  const widths = heads.map((head, column) => Math.max(head.length, ...lines.map((line) => line[column]!.length)))
  const print = (line: readonly string[]): void =>
    console.log(
      `| ${line.map((cell, column) => (column < 3 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join(' | ')} |`,
    )
  print(heads)
  console.log(`| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`)
  for (const line of lines) print(line)
  console.log(
    `\nmedians of ${Math.max(...rows.map((row) => row.rounds))} interleaved rounds; CPU per GiB of the workload; curl, nginx, aria2c and cp verify nothing`,
  )
}
