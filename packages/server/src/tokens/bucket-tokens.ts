/** Staging tokens in a bucket: an object each, so that all replicas know a token as soon as it is minted, and none after it is revoked. */
import { tokenNameSchema } from '@supercargo/protocol'
import type { Clock } from '@supercargo/transfer'
import type { BucketObjects } from '@supercargo/transfer/s3'
import type { S3Layout } from '../store/s3/s3-layout.ts'
import { byAge, newToken, parseToken, type StagingToken, type StagingTokens, tokenText } from './staging-tokens.ts'

export function bucketTokens(objects: BucketObjects, layout: S3Layout, clock: Clock): StagingTokens {
  const keyOf = (name: string): string => `${layout.tokens}${name}.json`

  async function read(name: string): Promise<StagingToken | undefined> {
    if (!tokenNameSchema.safeParse(name).success) return undefined
    const text = (await objects.readText(keyOf(name)))?.text
    return text === undefined ? undefined : parseToken(name, text)
  }

  return {
    async create(wish) {
      const { token, secret } = newToken(wish, clock)
      await objects.write(keyOf(token.name), tokenText(token), { absent: true })
      return { token, secret }
    },
    async restore(token) {
      // The same token is the same text.
      await objects.write(keyOf(token.name), tokenText(token))
    },
    read,
    async list(namespace) {
      const tokens: StagingToken[] = []
      for await (const { key } of objects.list(layout.tokens)) {
        const name = key.slice(layout.tokens.length).replace(/\.json$/, '')
        const token = await read(name)
        if (token !== undefined && (namespace === undefined || token.namespace === namespace)) tokens.push(token)
      }
      return tokens.sort(byAge)
    },
    async revoke(name) {
      if ((await read(name).catch(() => 'damaged')) === undefined) return false
      await objects.remove(keyOf(name))
      return true
    },
  }
}
