/** Staging tokens: what a Hadoop client puts into its path, because it cannot send a header. */
import { z } from 'zod'
import { namespaceSchema } from './owner.ts'

/** Names a token for its revocation; not a secret. */
export const tokenNameSchema = z.string().regex(/^[0-9a-z]{12}$/, 'a token is named by 12 letters and digits')
/** `<name>.<43 characters>`: the name finds the record. */
export const stagingTokenPattern: RegExp = /^([0-9a-z]{12})\.([A-Za-z0-9_-]{43})$/

const instantSchema = z.iso.datetime()

/** POST /api/v1/tokens. */
export const tokenRequestSchema = z.strictObject({
  namespace: namespaceSchema,
  /** After it nothing more can be uploaded; what is there can still be read. Absent: no end. */
  expiresAt: instantSchema.optional(),
  /** Bytes of the files that are there under the token at one time. Absent: no limit but that of the namespace. */
  bytesMax: z.int().positive().optional(),
  /** For whom or what it is, for the listing. */
  note: z.string().max(200).optional(),
})
export type TokenRequest = z.infer<typeof tokenRequestSchema>

/** GET /api/v1/tokens: one row. Never the token itself. */
export const tokenRowSchema = z.object({
  name: tokenNameSchema,
  namespace: namespaceSchema,
  createdAt: instantSchema,
  expiresAt: instantSchema.nullable(),
  bytesMax: z.int().nullable(),
  /** Of the files that are there under it now. */
  bytes: z.int(),
  note: z.string().nullable(),
})
export type TokenRow = z.infer<typeof tokenRowSchema>

export const tokenListingSchema = z.object({ tokens: z.array(tokenRowSchema) })
export type TokenListing = z.infer<typeof tokenListingSchema>

/** The answer to POST: the only time that the token is said. */
export const tokenResponseSchema = z.object({
  name: tokenNameSchema,
  /** A secret. */
  token: z.string(),
  /** `/<namespace>/<token>`: what follows `webhdfs://host:port`. A secret. */
  path: z.string(),
})
export type TokenResponse = z.infer<typeof tokenResponseSchema>
