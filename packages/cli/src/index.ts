/** The `supercargo` command as a function, for who starts it from a program. */
export type { Io } from './io.ts'
export { run } from './run.ts'
