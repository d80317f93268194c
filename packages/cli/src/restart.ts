/** Starts this process over with options of Node that it cannot change while it runs. */

/**
 * Replaces this process by one with the flags: same id, same streams, same environment but for what is added. Does nothing where that is not
 * to be had (Node before 23.11, Windows) or when they are there already. Call it before anything is opened.
 */
export function restartWith(flags: readonly string[], environment: Readonly<Record<string, string>> = {}): void {
  const missing = flags.filter((flag) => !process.execArgv.includes(flag))
  if (missing.length === 0 || process.execve === undefined || process.platform === 'win32') return
  process.execve(process.execPath, [process.execPath, ...process.execArgv, ...missing, ...process.argv.slice(1)], {
    ...environment,
    ...process.env,
  } as Record<string, string>)
}
