/** A file system whose n-th operation fails, or that dies at once as by SIGKILL; it remembers what was done, in order. */
import { type FileSystem, nodeFileSystem } from '../store/file-system.ts'

export interface Operation {
  readonly name: keyof FileSystem
  /** The path, or for a descriptor the path that it was opened with. */
  readonly path: string
  /** Where a rename leads. */
  readonly to?: string
}

export class FaultyFileSystem {
  readonly system: FileSystem
  /** Everything that was asked for since the last `arm`. */
  operations: Operation[] = []
  #failAt = Number.POSITIVE_INFINITY
  #errno = 'EIO'
  #diesThere = false
  #dead = false
  #paths = new Map<number, string>()

  constructor(base: FileSystem = nodeFileSystem) {
    const wrapped: Record<string, unknown> = {}
    for (const name of Object.keys(base) as (keyof FileSystem)[]) wrapped[name] = this.#wrap(base, name)
    this.system = wrapped as unknown as FileSystem
  }

  /** The n-th operation from now on (1 is the next) fails with `errno`; `Infinity` fails none. */
  arm(n: number, errno = 'EIO'): void {
    this.operations = []
    this.#failAt = n
    this.#errno = errno
    this.#diesThere = false
  }

  /** From the n-th operation on nothing reaches the disk any more. */
  dieAt(n: number): void {
    this.arm(n)
    this.#diesThere = true
  }

  /** Nothing reaches the disk any more. */
  die(): void {
    this.#dead = true
  }

  /** The disk takes everything again. */
  revive(): void {
    this.#dead = false
    this.arm(Number.POSITIVE_INFINITY)
  }

  /** True when the armed failure has happened. */
  get failed(): boolean {
    return this.operations.length >= this.#failAt
  }

  #wrap(base: FileSystem, name: keyof FileSystem): unknown {
    const real = base[name] as (...parameters: unknown[]) => unknown
    const now = name.endsWith('Now')
    return (...parameters: unknown[]): unknown => {
      const target = typeof parameters[0] === 'number' ? (this.#paths.get(parameters[0]) ?? '') : String(parameters[0])
      this.operations.push({ name, path: target, ...(name === 'rename' && { to: String(parameters[1]) }) })
      const fails = this.operations.length === this.#failAt
      if (fails && this.#diesThere) this.#dead = true
      // A close that fails has closed the descriptor all the same, on Linux; and a dead process has none open.
      const failure =
        fails || this.#dead
          ? Object.assign(new Error(`${this.#errno}: injected at ${name}`), { code: this.#errno })
          : undefined
      if (failure !== undefined && name !== 'close' && name !== 'closeNow') {
        if (now) throw failure
        return Promise.reject(failure)
      }
      const result = real(...parameters)
      if (name === 'openNow') this.#paths.set(result as number, target)
      if (name === 'open')
        void (result as Promise<number>).then((fd) => this.#paths.set(fd, target)).catch(() => undefined)
      if (failure === undefined) return result
      if (now) throw failure
      return Promise.resolve(result).then(() => Promise.reject(failure))
    }
  }
}
