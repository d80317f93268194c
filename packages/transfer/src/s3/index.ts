/** Objects of an S3 store. An entry point of its own, because most programs ask none and need not load what signs. */
export * from './bucket.ts'
export * from './bucket-address.ts'
export * from './bucket-objects.ts'
export * from './credentials.ts'
export * from './encoding.ts'
export * from './list-pages.ts'
export * from './settings.ts'
