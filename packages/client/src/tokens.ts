/** The calls about staging tokens: created, listed, revoked. One try each. */
import {
  routes,
  type TokenListing,
  type TokenRequest,
  type TokenResponse,
  tokenListingSchema,
  tokenResponseSchema,
} from '@supercargo/protocol'
import type { Connection } from './connection.ts'

export type CreateTokenCall = TokenRequest & { readonly signal?: AbortSignal | undefined }

export interface ListTokensCall {
  readonly namespace?: string | undefined
  readonly signal?: AbortSignal | undefined
}

export interface RevokeTokenCall {
  readonly name: string
  readonly signal?: AbortSignal | undefined
}

export function createToken(connection: Connection, { signal, ...send }: CreateTokenCall): Promise<TokenResponse> {
  return connection.json(tokenResponseSchema, { method: 'POST', path: routes.v1.tokens, send, signal, expect: [201] })
}

export function listTokens(connection: Connection, { namespace, signal }: ListTokensCall = {}): Promise<TokenListing> {
  const query: Record<string, string> = namespace === undefined ? {} : { namespace }
  return connection.json(tokenListingSchema, { path: routes.v1.tokens, query, signal, expect: [200] })
}

export async function revokeToken(connection: Connection, { name, signal }: RevokeTokenCall): Promise<void> {
  await connection.run({ method: 'DELETE', path: routes.v1.token(name), signal, expect: [204] })
}
