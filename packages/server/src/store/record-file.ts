/** Records on disk: what is written is checked when it is read again, because a disk is outside too. */
import { digestSchema, namespaceOf, type Owner, ownerSchema } from '@supercargo/protocol'
import { z } from 'zod'
import type { ResourceRecord, UploadRecord } from './store.ts'

const instantSchema = z.number().nonnegative()
const hashSchema = z.string().regex(/^sha256:[0-9a-f]{64}$/)
/** Paths were checked on the way in and never become paths of the store, so that reading a large record stays cheap. */
const fileSchema = z.object({ path: z.string().min(1), sizeBytes: z.int().nonnegative(), digest: digestSchema })
const ownersSchema = z.array(ownerSchema).min(1).refine(oneNamespace, 'the owners are in several namespaces')
const capabilitySchema = z.object({ name: z.string(), hash: hashSchema, expiresAtMs: instantSchema.nullable() })

const doorSchema = z.enum(['v0', 'v1', 'webhdfs'])
const maxAgeSchema = z.number().nonnegative().exactOptional()

const recordSchema = z.object({
  version: z.literal(1),
  id: z.string(),
  secretHash: hashSchema,
  owners: ownersSchema,
  files: z.array(fileSchema),
  door: doorSchema,
  createdAtMs: instantSchema,
  committedAtMs: instantSchema,
  capabilities: z.array(capabilitySchema),
  principal: z.string().optional(),
  maxAgeMs: maxAgeSchema,
})

const uploadSchema = z.object({
  version: z.literal(1),
  id: z.string(),
  secretHash: hashSchema,
  owners: ownersSchema,
  files: z.array(fileSchema),
  createdAtMs: instantSchema,
  principal: z.string().optional(),
  restores: z
    .object({
      door: doorSchema,
      committedAtMs: instantSchema,
      capabilities: z.array(capabilitySchema),
      maxAgeMs: maxAgeSchema,
      fetchedAtMs: instantSchema.nullable(),
    })
    .exactOptional(),
})

/** Throws what is wrong with the text; the caller names the file. */
export function parseRecord(id: string, text: string): ResourceRecord {
  const record: ResourceRecord = recordSchema.parse(JSON.parse(text))
  if (record.id !== id) throw new Error(`it is the record of ${record.id}`)
  return record
}

export function parseUpload(id: string, text: string): UploadRecord {
  const upload: UploadRecord = uploadSchema.parse(JSON.parse(text))
  if (upload.id !== id) throw new Error(`it is the upload ${upload.id}`)
  return upload
}

function oneNamespace(owners: readonly Owner[]): boolean {
  return owners.every((owner) => owner.namespace === namespaceOf(owners))
}
