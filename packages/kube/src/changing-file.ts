/** A small file that somebody else replaces now and then: read again only when it has changed. */
import { readFile, stat } from 'node:fs/promises'
import { SupercargoError } from '@supercargo/protocol'

const fileBytesMax = 1 << 20

export class ChangingFile {
  readonly #path: string
  readonly #what: string
  #seen = ''
  #text = ''

  /** `what` names it in messages: "the service account token". Its content is never shown. */
  constructor(path: string, what: string) {
    this.#path = path
    this.#what = what
  }

  /**
   * The text without surrounding white space. A mounted Secret or token is swapped by a symbolic link, so device, inode,
   * time and size of what the name leads to are compared. While the file cannot be read, what was read last still holds.
   */
  async read(): Promise<string> {
    try {
      const { dev, ino, size, mtimeMs, ctimeMs } = await stat(this.#path)
      const seen = [dev, ino, size, mtimeMs, ctimeMs].join(' ')
      if (seen === this.#seen) return this.#text
      if (size > fileBytesMax) throw new Error(`it is larger than ${fileBytesMax} bytes`)
      const text = (await readFile(this.#path, 'utf8')).trim()
      if (text === '') throw new Error('it is empty')
      this.#text = text
      this.#seen = seen
    } catch (error) {
      if (this.#text === '') {
        const message = `${this.#what} cannot be read from ${this.#path}`
        throw new SupercargoError('unavailable', 'kube-credential-unreadable', message, { cause: error })
      }
    }
    return this.#text
  }
}
