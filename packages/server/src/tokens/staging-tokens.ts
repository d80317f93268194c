/** Staging tokens on disk: minted, found by name, listed, revoked. Only their hashes are kept. */
import { isDeepStrictEqual } from 'node:util'
import { namespaceSchema, Secret, SupercargoError, tokenNameSchema } from '@supercargo/protocol'
import { type Clock, isErrno } from '@supercargo/transfer'
import { z } from 'zod'
import type { DiskLayout } from '../store/disk-layout.ts'
import { type FileSystem, syncDirectory, writeFileDurably } from '../store/file-system.ts'
import { fromStorageError } from '../store/store-error.ts'
import { newResourceId } from '../store/store-parts.ts'

export interface StagingToken {
  readonly name: string
  readonly namespace: string
  readonly hash: string
  readonly createdAtMs: number
  /** After it nothing is written; null is no end. */
  readonly expiresAtMs: number | null
  /** 0 is no limit. */
  readonly bytesMax: number
  readonly note: string | null
}

export interface StagingTokens {
  /** Mints a token; durable when it resolves. */
  create(wish: Pick<StagingToken, 'namespace' | 'expiresAtMs' | 'bytesMax' | 'note'>): Promise<{
    readonly token: StagingToken
    readonly secret: Secret
  }>
  /** Takes in a token of another store as it is, with its hash; durable when it resolves. Nothing happens when it is there. */
  restore(token: StagingToken): Promise<void>
  read(name: string): Promise<StagingToken | undefined>
  /** All of a namespace, or all, oldest first. */
  list(namespace: string | undefined): Promise<readonly StagingToken[]>
  /** False when there was none. What was uploaded with it can no longer be reached through it. */
  revoke(name: string): Promise<boolean>
}

export interface StagingTokensOptions {
  readonly system: FileSystem
  readonly layout: DiskLayout
  readonly clock: Clock
}

const tokenSchema = z.object({
  version: z.literal(1),
  name: tokenNameSchema,
  namespace: namespaceSchema,
  hash: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  createdAtMs: z.number().nonnegative(),
  expiresAtMs: z.number().nonnegative().nullable(),
  bytesMax: z.int().nonnegative(),
  note: z.string().nullable(),
})
const nameLength = 12
/** A token on its way to its place. */
const scratchPrefix = '.token-'

/** Opens the tokens of a store that is locked by this process already. */
export async function openStagingTokens(options: StagingTokensOptions): Promise<StagingTokens> {
  const { system, layout } = options
  await translated('cannot open the staging tokens', async () => {
    await system.makeDirectory(layout.tokens).then(
      () => syncDirectory(system, layout.directory),
      (error: unknown) => {
        if (!isErrno(error, 'EEXIST')) throw error
      },
    )
    for (const name of await system.list(layout.tokens))
      if (name.startsWith(scratchPrefix)) await system.unlink(`${layout.tokens}/${name}`)
  })
  return {
    create: (wish) => translated('cannot create a staging token', () => create(options, wish)),
    restore: (token) => translated('cannot take in a staging token', () => restore(options, token)),
    read: (name) => translated('cannot read a staging token', () => read(options, name)),
    list: (namespace) => translated('cannot list the staging tokens', () => list(options, namespace)),
    revoke: (name) => translated('cannot revoke a staging token', () => revoke(options, name)),
  }
}

async function restore(options: StagingTokensOptions, token: StagingToken): Promise<void> {
  if (isDeepStrictEqual(await read(options, token.name), token)) return
  await write(options, token)
}

/** What a token is given; the rest is minted. */
export type TokenWish = Pick<StagingToken, 'namespace' | 'expiresAtMs' | 'bytesMax' | 'note'>

export function newToken(wish: TokenWish, clock: Clock): { readonly token: StagingToken; readonly secret: Secret } {
  const secret = Secret.mint()
  const name = newResourceId().slice(0, nameLength)
  return { token: { name, ...wish, hash: secret.hash(), createdAtMs: clock.now() }, secret }
}

export function tokenText(token: StagingToken): string {
  return JSON.stringify({ version: 1, ...token })
}

export function parseToken(name: string, text: string): StagingToken {
  try {
    const { version: _, ...token } = tokenSchema.parse(JSON.parse(text))
    if (token.name !== name) throw new Error('it has the name of another')
    return token
  } catch (error) {
    throw new SupercargoError('corrupt', 'damaged-token', `the staging token ${name} is damaged`, {
      cause: error,
      hint: 'revoke it and create another',
    })
  }
}

export function byAge(a: StagingToken, b: StagingToken): number {
  return a.createdAtMs - b.createdAtMs || (a.name < b.name ? -1 : 1)
}

async function create(
  options: StagingTokensOptions,
  wish: Pick<StagingToken, 'namespace' | 'expiresAtMs' | 'bytesMax' | 'note'>,
): Promise<{ token: StagingToken; secret: Secret }> {
  const { token, secret } = newToken(wish, options.clock)
  await write(options, token)
  return { token, secret }
}

async function write({ system, layout }: StagingTokensOptions, token: StagingToken): Promise<void> {
  const scratch = `${layout.tokens}/${scratchPrefix}${token.name}`
  try {
    await writeFileDurably(system, scratch, tokenText(token))
    await system.rename(scratch, pathOf(layout, token.name))
    await syncDirectory(system, layout.tokens)
  } catch (error) {
    // Nobody learns the secret of what is left, so a token that cannot be taken away again opens nothing.
    for (const path of [scratch, pathOf(layout, token.name)]) await system.unlink(path).catch(() => undefined)
    throw error
  }
}

async function read({ system, layout }: StagingTokensOptions, name: string): Promise<StagingToken | undefined> {
  if (!tokenNameSchema.safeParse(name).success) return undefined
  let text: string
  try {
    text = await system.readText(pathOf(layout, name))
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
  return parseToken(name, text)
}

async function list(options: StagingTokensOptions, namespace: string | undefined): Promise<readonly StagingToken[]> {
  const tokens: StagingToken[] = []
  for (const file of await options.system.list(options.layout.tokens)) {
    const token = file.endsWith('.json') ? await read(options, file.slice(0, -'.json'.length)) : undefined
    if (token !== undefined && (namespace === undefined || token.namespace === namespace)) tokens.push(token)
  }
  return tokens.sort(byAge)
}

async function revoke({ system, layout }: StagingTokensOptions, name: string): Promise<boolean> {
  if (!tokenNameSchema.safeParse(name).success) return false
  try {
    await system.unlink(pathOf(layout, name))
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
  await syncDirectory(system, layout.tokens)
  return true
}

function pathOf(layout: DiskLayout, name: string): string {
  return `${layout.tokens}/${name}.json`
}

async function translated<Result>(action: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw fromStorageError(error, action)
  }
}
