/** What is mounted at or below a directory, and how it is unmounted. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Mount points at or below the directory, innermost first. */
export function mountsBelow(directory: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => unescapeOctal(line.split(' ')[4] ?? ''))
    .filter((point) => point === directory || point.startsWith(`${directory}/`))
    .reverse()
}

/** Unmounts all of it. A mount that is still in use is detached, and ends with its last user. */
export function unmountBelow(directory: string): void {
  for (const point of mountsBelow(directory)) execFileSync('umount', ['--lazy', point], { stdio: 'pipe' })
}

/** The kernel writes blanks and backslashes as three octal digits. */
function unescapeOctal(point: string): string {
  return point.replaceAll(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}
