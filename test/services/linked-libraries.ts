/** The shared libraries of a program, copied to where its loader looks for them in another root. */
import { copyFile, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { tryCommand } from './command.ts'

export async function copyLibraries(program: string, root: string): Promise<void> {
  for (const library of await libraries(program)) {
    await mkdir(join(root, dirname(library)), { recursive: true })
    await copyFile(library, join(root, library))
  }
}

/** The files that the linker would load; none for a static program, which it refuses. */
async function libraries(program: string): Promise<string[]> {
  const { stdout } = await tryCommand(['ldd', program])
  return [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((match) => match[1]!)
}
