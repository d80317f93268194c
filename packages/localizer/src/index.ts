/** The init-container program: plan → sources → files. */

export { type LocalizeOptions, localize } from './localize.ts'
export { type LocalizeIo, localizeCommand } from './main.ts'
export { hasLittleMemory } from './memory.ts'
export type { ProgressState } from './progress.ts'
export { readPlan } from './read-plan.ts'
export type { Report, ReportItem, RootReport } from './report.ts'
export type { RootPlan } from './root-plan.ts'
export { supportedSchemes } from './sources/registry.ts'
