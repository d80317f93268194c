/** Secrets come from files, trimmed; never from arguments. */
import { open, readFile, rm } from 'node:fs/promises'
import { Secret, SupercargoError } from '@supercargo/protocol'
import { fromFileSystemError } from '@supercargo/transfer'

/** The file's text without surrounding white space. */
export async function readSecret(file: string): Promise<Secret> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw fromFileSystemError(error, `cannot read the secret file ${file}`)
  })
  const value = text.trim()
  if (value === '') throw new SupercargoError('invalid', 'secret-empty', `the secret file ${file} is empty`)
  if (/[^\u0021-\u007e]/.test(value)) {
    throw new SupercargoError('invalid', 'secret-malformed', `the secret file ${file} holds more than a secret`, {
      hint: 'it is one line of printable characters',
    })
  }
  return new Secret(value)
}

/** A new file, for its owner alone, that is there before anything happens: a secret that cannot be kept is not asked for. */
export interface SecretFile {
  write(secret: Secret): Promise<void>
  /** Removes it when it was never written. */
  discard(): Promise<void>
}

/** Refuses to overwrite. */
export async function createSecretFile(file: string): Promise<SecretFile> {
  const handle = await open(file, 'wx', 0o600).catch((error: unknown) => {
    throw fromFileSystemError(error, `cannot create the secret file ${file}`)
  })
  let written = false
  return {
    write: async (secret) => {
      try {
        await handle.writeFile(`${secret.reveal()}\n`)
        await handle.sync()
        written = true
      } catch (error) {
        throw fromFileSystemError(error, `cannot write the secret file ${file}`)
      }
    },
    discard: async () => {
      await handle.close()
      if (!written) await rm(file, { force: true })
    },
  }
}
