/** The SDK of the staging server. */
export { createClient, type StagingClient, type StagingClientOptions } from './client.ts'
export { etagOf, type OpenBundleRequest, type OpenFileRequest } from './download.ts'
export type { FetchedResource, FetchRequest } from './fetch.ts'
export type { ListCall, ResourceCall } from './inspect.ts'
export type { OnProgress, Progress } from './progress.ts'
export type { StagedResource, StageRequest } from './stage.ts'
export type { CreateTokenCall, ListTokensCall, RevokeTokenCall } from './tokens.ts'
export type { LocalPath } from './walk.ts'
