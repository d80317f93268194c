/** The objects that trees of names are kept in: found, and read. */
import { digestSchema } from '@supercargo/protocol'
import type { BucketObjects } from '@supercargo/transfer/s3'
import { z } from 'zod'
import { isNamespace } from '../disk-layout.ts'
import { treePattern } from '../name-files.ts'
import type { NameEntry, NamePlace } from '../name-tree.ts'
import { damagedName } from '../name-tree-error.ts'
import type { S3Layout } from './s3-layout.ts'

/** Entries by path; the top is always there and is none. */
export type Entries = Map<string, NameEntry>

const fileSchema = z.object({
  type: z.literal('file'),
  resourceId: z.string(),
  file: z.string(),
  sizeBytes: z.int().nonnegative(),
  digest: digestSchema,
  modifiedMs: z.number().nonnegative(),
})
const directorySchema = z.object({ type: z.literal('directory'), modifiedMs: z.number().nonnegative() })
const treeSchema = z.object({
  version: z.literal(1),
  entries: z.array(z.tuple([z.string(), z.discriminatedUnion('type', [fileSchema, directorySchema])])),
})

/** The tops of all trees; foreign objects are passed over. */
export async function* treesIn(objects: BucketObjects, layout: S3Layout): AsyncGenerator<NamePlace> {
  for await (const { key } of objects.list(layout.names)) {
    const [namespace = '', name = '', ...rest] = key.slice(layout.names.length).split('/')
    const tree = name.replace(/\.json$/, '')
    if (rest.length > 0 || tree === name || !isNamespace(namespace) || !treePattern.test(tree)) continue
    yield { namespace, tree, path: '' }
  }
}

export function parseTree(text: string): Entries {
  try {
    return new Map(treeSchema.parse(JSON.parse(text)).entries)
  } catch (error) {
    throw damagedName(error)
  }
}
