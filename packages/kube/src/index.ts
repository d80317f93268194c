/** The cluster as Supercargo needs it. */
export * from './owner-lookup.ts'
