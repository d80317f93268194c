/** Which program runs which command; each is imported only when it is asked for. */
import type { Run } from './invocation.ts'

/** By the names in the table of commands; a test keeps the two equal. */
export const programs: Readonly<Record<string, () => Promise<Run>>> = {
  serve: async () => (await import('./serve.ts')).serve,
  stage: async () => (await import('./stage.ts')).stage,
  fetch: async () => (await import('./fetch.ts')).fetch,
  localize: async () => (await import('./localize.ts')).localize,
  submit: async () => (await import('./submit.ts')).submit,
  inject: async () => (await import('./inject.ts')).inject,
  wrap: async () => (await import('./wrap.ts')).wrap,
  status: async () => (await import('./applications.ts')).status,
  logs: async () => (await import('./applications.ts')).logs,
  kill: async () => (await import('./applications.ts')).kill,
  doctor: async () => (await import('./doctor.ts')).doctor,
  'resources list': async () => (await import('./resources.ts')).listResources,
  'resources show': async () => (await import('./resources.ts')).showResource,
  'resources explain': async () => (await import('./resources.ts')).explainResource,
  'resources release': async () => (await import('./resources.ts')).releaseResource,
  'collector status': async () => (await import('./collector.ts')).collectorStatus,
  'collector release': async () => (await import('./collector.ts')).collectorRelease,
  'store verify': async () => (await import('./store.ts')).verifyStoreCommand,
  'store copy': async () => (await import('./store.ts')).copyStoreCommand,
  'token create': async () => (await import('./token.ts')).createToken,
  'token list': async () => (await import('./token.ts')).listTokens,
  'token revoke': async () => (await import('./token.ts')).revokeToken,
  completion: async () => (await import('./completion.ts')).completion,
  manual: async () => (await import('./manual.ts')).manual,
}
