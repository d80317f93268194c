/** Every operation of the API in one table: what it takes, what it answers, with the schemas that check it. */
import {
  blobsResponseSchema,
  capabilityRequestSchema,
  capabilityResponseSchema,
  collectorStatusSchema,
  commitResponseSchema,
  createRequestSchema,
  createResponseSchema,
  explanationSchema,
  listingSchema,
  manifestSchema,
  mediaTypes,
  patchRequestSchema,
  tokenListingSchema,
  tokenRequestSchema,
  tokenResponseSchema,
} from '@supercargo/protocol'
import { z } from 'zod'
import { listQuerySchema } from './admin-routes.ts'
import { tokenQuerySchema } from './token-routes.ts'

/** As described in openapi.ts. */
export type Scheme = 'secret' | 'rawSecret' | 'podToken' | 'token'

export interface Operation {
  readonly method: string
  readonly path: string
  readonly summary: string
  /** Any one of them; of `token` alone, none where the server asks nobody who they are. */
  readonly security?: readonly Scheme[]
  readonly query?: z.ZodObject
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Readonly<Record<string, z.ZodType | 'bytes' | 'form'>>
  readonly answers: Readonly<Record<string, z.ZodType | string>>
}

const { json, tar, bytes, multipart, partialUpload } = mediaTypes
const one = '/api/v1/resources/{id}'
const describeQuery = z.object({ explain: z.string().optional(), sizeBytesMax: z.string().optional() })
const v0Answer = z.strictObject({ resourceId: z.string(), resourceSecret: z.string() })
const uploadHeaders = {
  'Upload-Offset': 'where these bytes go',
  'Upload-Complete': '?1 when they are the last',
  'Upload-Length': 'of the whole blob',
}
const rangeHeaders = { Range: 'one range of bytes', 'If-Range': 'the ETag', 'If-None-Match': 'ETags' }

export const operations: readonly Operation[] = [
  {
    method: 'post',
    path: '/api/v0/resources',
    summary: 'Stage a bundle (2017 wire).',
    body: { [multipart]: 'form' },
    answers: { 200: v0Answer },
  },
  {
    method: 'get',
    path: '/api/v0/resources/{id}',
    summary: 'The same bytes back (2017 wire).',
    security: ['rawSecret'],
    headers: rangeHeaders,
    answers: { 200: bytes },
  },
  { method: 'get', path: '/api/v0/ping', summary: 'pong', answers: { 200: 'text/plain' } },
  { method: 'get', path: '/api/ping', summary: 'pong', answers: { 200: 'text/plain' } },
  {
    method: 'post',
    path: '/api/v1/resources',
    summary: 'Open an upload from a list of files, or stage everything at once as a form or a tar (right: create).',
    security: ['token'],
    headers: { 'Supercargo-Owner': 'the owner as JSON, beside a tar' },
    body: { [json]: createRequestSchema, [multipart]: 'form', [tar]: 'bytes' },
    answers: { 201: z.union([createResponseSchema, commitResponseSchema]) },
  },
  {
    method: 'get',
    path: '/api/v1/resources',
    summary: 'What is staged, for admins (right: list, in ?namespace or in all).',
    security: ['token'],
    query: listQuerySchema,
    answers: { 200: listingSchema },
  },
  {
    method: 'get',
    path: one,
    summary:
      'The manifest; why it is kept (?explain), both also with the right get; one tar of all files (Accept: application/x-tar).',
    security: ['secret', 'podToken', 'token'],
    query: describeQuery,
    answers: { 200: z.union([manifestSchema, explanationSchema]) },
  },
  {
    method: 'patch',
    path: one,
    summary: 'Bind the owner more precisely.',
    security: ['secret'],
    body: { [json]: patchRequestSchema },
    answers: { 200: manifestSchema },
  },
  {
    method: 'delete',
    path: one,
    summary: 'Release now (right: delete).',
    security: ['secret', 'token'],
    answers: { 204: 'nothing' },
  },
  {
    method: 'post',
    path: `${one}/blobs`,
    summary: 'Missing blobs as one tar, entries named by digest.',
    security: ['secret'],
    body: { [tar]: 'bytes' },
    answers: { 200: blobsResponseSchema },
  },
  {
    method: 'head',
    path: `${one}/blobs/{digest}`,
    summary: 'How much of a blob is here.',
    security: ['secret'],
    answers: { 204: 'nothing' },
  },
  {
    method: 'put',
    path: `${one}/blobs/{digest}`,
    summary: 'One blob, whole or from an offset.',
    security: ['secret'],
    headers: uploadHeaders,
    body: { [bytes]: 'bytes' },
    answers: { 201: 'nothing' },
  },
  {
    method: 'patch',
    path: `${one}/blobs/{digest}`,
    summary: 'More of a blob.',
    security: ['secret'],
    headers: uploadHeaders,
    body: { [partialUpload]: 'bytes' },
    answers: { 204: 'nothing', 201: 'nothing' },
  },
  {
    method: 'post',
    path: `${one}/commit`,
    summary: 'Make the resource visible.',
    security: ['secret'],
    answers: { 200: commitResponseSchema },
  },
  {
    method: 'get',
    path: `${one}/files/{path}`,
    summary: 'The bytes of one file.',
    security: ['secret', 'podToken'],
    headers: rangeHeaders,
    answers: { 200: bytes, 206: bytes },
  },
  {
    method: 'post',
    path: `${one}/capabilities`,
    summary: 'Make a read-only URL.',
    security: ['secret'],
    body: { [json]: capabilityRequestSchema },
    answers: { 201: capabilityResponseSchema },
  },
  {
    method: 'delete',
    path: `${one}/capabilities/{name}`,
    summary: 'Revoke it.',
    security: ['secret'],
    answers: { 204: 'nothing' },
  },
  {
    method: 'get',
    path: '/c/{capability}/{path}',
    summary: 'The bytes of one file, by capability.',
    headers: rangeHeaders,
    answers: { 200: bytes, 206: bytes },
  },
  {
    method: 'get',
    path: '/api/v1/collector',
    summary: 'The last sweep, and whether collection is stopped (right: list, in all namespaces).',
    security: ['token'],
    answers: { 200: collectorStatusSchema },
  },
  {
    method: 'post',
    path: '/api/v1/collector/release',
    summary: 'Let a stopped collection go on (right: delete, in all namespaces).',
    security: ['token'],
    answers: { 200: collectorStatusSchema },
  },
  {
    method: 'post',
    path: '/api/v1/tokens',
    summary: 'Create a staging token for WebHDFS; the only time that it is said.',
    body: { [json]: tokenRequestSchema },
    answers: { 201: tokenResponseSchema },
  },
  {
    method: 'get',
    path: '/api/v1/tokens',
    summary: 'The staging tokens, without what opens them.',
    query: tokenQuerySchema,
    answers: { 200: tokenListingSchema },
  },
  { method: 'delete', path: '/api/v1/tokens/{name}', summary: 'Revoke a staging token.', answers: { 204: 'nothing' } },
  ...webhdfsOperations('/webhdfs/v1'),
  ...webhdfsOperations('/webhdfs/v1/{path}'),
  { method: 'get', path: '/api/v1/openapi.json', summary: 'This document.', answers: { 200: z.looseObject({}) } },
  { method: 'get', path: '/livez', summary: 'The process lives.', answers: { 200: 'text/plain' } },
  { method: 'get', path: '/readyz', summary: 'The server takes uploads.', answers: { 200: 'text/plain' } },
  { method: 'get', path: '/metrics', summary: 'Metrics in Prometheus format.', answers: { 200: 'text/plain' } },
]

/** The operation is a parameter there; what each takes and answers is Hadoop's documentation. */
function webhdfsOperations(path: string): Operation[] {
  const query = z.object({ op: z.string() })
  const summaries = {
    get: 'WebHDFS: OPEN, GETFILESTATUS, LISTSTATUS and others.',
    put: 'WebHDFS: MKDIRS, CREATE, RENAME.',
    post: 'WebHDFS: nothing of it is possible here.',
    delete: 'WebHDFS: DELETE.',
  }
  return Object.entries(summaries).map(([method, summary]) => {
    return { method, path, summary, query, answers: { 200: 'application/json, said by no header' } }
  })
}
