/** Words as one line that a shell reads back as the same words. */

export function shellLine(words: readonly string[]): string {
  return words.map(quoted).join(' ')
}

/** As it is when no shell sees more in it, else in single quotes. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
