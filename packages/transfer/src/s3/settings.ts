/** What a bucket is asked with: where it is, by whom, and what goes with every request. */

export interface S3Settings {
  readonly bucket: string
  /** Undefined: AWS, by region. */
  readonly endpoint: URL | undefined
  /** To begin with; the store may name another. */
  readonly region: string
  /** Whether a region that the store names is believed. */
  readonly crossRegion: boolean
  /** Undefined: whatever suits the endpoint. */
  readonly pathStyle: boolean | undefined
  readonly secure: boolean
  readonly fips: boolean
  /** The ARN of an access point that stands for the bucket. */
  readonly accessPoint: string | undefined
  readonly credentials: CredentialSettings
  /** Fields of every request: who pays. */
  readonly headers: Readonly<Record<string, string>>
  /** Fields of every request for an object: the key that it is encrypted with. */
  readonly objectHeaders: Readonly<Record<string, string>>
  /** Values that may appear nowhere. */
  readonly secrets: readonly string[]
  readonly proxy: URL | undefined
  /** Whether the store is asked for checksums. */
  readonly checksums: boolean
}

export type ProviderName =
  | 'temporary'
  | 'simple'
  | 'environment'
  | 'anonymous'
  | 'instance'
  | 'container'
  | 'web-identity'
  | 'profile'
  | 'assumed-role'
  | 'standard-chain'

export interface CredentialSettings {
  /** In the order in which they are tried. */
  readonly providers: readonly ProviderName[]
  readonly accessKeyId: string | undefined
  readonly secretAccessKey: string | undefined
  readonly sessionToken: string | undefined
  readonly role: RoleSettings | undefined
  readonly profile: { readonly file: string | undefined; readonly name: string | undefined }
}

export interface RoleSettings {
  readonly arn: string
  readonly sessionName: string
  readonly durationSeconds: number
  readonly externalId: string | undefined
  readonly policy: string | undefined
  readonly endpoint: string | undefined
  readonly region: string | undefined
  /** Whose credentials ask for the role. */
  readonly providers: readonly ProviderName[]
}
