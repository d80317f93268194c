/** The staging server: its program, its HTTP edge, its configuration. */

export { type ConfigSources, checkConfig, loadConfig, printConfig } from './config.ts'
export { type Config, type ConfigInput, listSettings, type Setting } from './config-schema.ts'
export { type App, type AppDependencies, buildApp } from './http/app.ts'
export { createLog, describeError, type Log, type LogLevel } from './log.ts'
export { type ServeOptions, type ServerAddress, serve } from './main.ts'
export { type CopyReport, copyStoreAt } from './store/copy-store-at.ts'
export type { BucketAccess } from './store/open-store.ts'
export type { StoreFault } from './store/store-fault.ts'
export { type VerifyReport, verifyStoreAt } from './store/verify-store-at.ts'
