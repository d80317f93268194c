/** What a test run says about its services when it is over: what was real, and what was left out and why. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Missing } from './service.ts'

/** A service that a run has used, or could not. */
export type Noted =
  | {
      readonly name: string
      readonly kind: 'real'
      readonly versions: string
      readonly provisionSeconds: number
      readonly startSeconds: number
    }
  | { readonly name: string; readonly kind: 'left-out'; readonly missing: readonly Missing[] }

const notesFile = 'notes.jsonl'

export function note(run: string, noted: Noted): void {
  appendFileSync(join(run, notesFile), `${JSON.stringify(noted)}\n`)
}

/** A table of the real services, and one line for everything that was left out. */
export function reportLines(run: string): string[] {
  const notes = notesOf(run)
  const rows = [...notes.values()].filter((each) => each.kind === 'real')
  const width = Math.max(0, ...rows.map((row) => row.name.length))
  const versionWidth = Math.max(0, ...rows.map((row) => row.versions.length))
  const table = rows.map(
    (row) =>
      `  ${row.name.padEnd(width)}  ${row.versions.padEnd(versionWidth)}  provisioned ${row.provisionSeconds} s, started ${row.startSeconds} s`,
  )
  const absent = [...notes.values()].filter((each) => each.kind === 'left-out')
  const left = Map.groupBy(absent, (each) => each.missing.map((one) => one.install).join(' '))
  return [
    ...(table.length > 0 ? ['Real in this run:', ...table] : []),
    ...(left.size > 0 ? [`Left out: ${[...left].map(([why, each]) => `${names(each)} (${why})`).join('; ')}`] : []),
  ]
}

function names(noted: readonly Noted[]): string {
  return noted.map((each) => each.name).join(', ')
}

function notesOf(run: string): Map<string, Noted> {
  const notes = new Map<string, Noted>()
  const path = join(run, notesFile)
  if (!existsSync(path)) return notes
  for (const line of readFileSync(path, 'utf8').split('\n').filter(Boolean)) {
    const noted = JSON.parse(line) as Noted
    const known = notes.get(noted.name)
    if (known?.kind !== 'real' || (noted.kind === 'real' && noted.provisionSeconds > known.provisionSeconds))
      notes.set(noted.name, noted)
  }
  return notes
}
