/** What a request to a cluster carries to say who asks: the port of every way of proving it. */
import type { HttpResponse } from '@supercargo/transfer'

export interface Proof {
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
}

export interface Authenticator {
  /** What a request to this server of the cluster carries. Never sent anywhere else. */
  prove(endpoint: URL): Promise<Proof>
  /** Sees every answer of the cluster's own servers. */
  learn(response: HttpResponse): void
  /** After a refusal: whether there is another proof now that is worth one more request. */
  renew(endpoint: URL): Promise<boolean>
}
