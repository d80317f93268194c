/** The bytes of one file of a resource, for who has its secret, and for the pods that it belongs to. */
import { printable, routes, type StagedFile, SupercargoError } from '@supercargo/protocol'
import type { FastifyInstance } from 'fastify'
import type { ResourceRecord } from '../store/store.ts'
import type { Edge } from './edge.ts'
import { authorizedRecord } from './find-resource.ts'
import { sendFile } from './send-file.ts'

export function registerFileRoutes(app: FastifyInstance, edge: Edge): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: `${routes.v1.resources}/:id/files/*`,
    async handler(request, reply) {
      const record = await authorizedRecord(edge, request, { pod: true })
      return sendFile(edge, request, reply, record, fileAt(record, (request.params as { '*': string })['*']))
    },
  })
}

/** The path is only looked up among those of the record; it never becomes a path on disk. */
export function fileAt(record: ResourceRecord, path: string): StagedFile {
  const file = record.files.find((candidate) => candidate.path === path)
  if (file === undefined)
    throw new SupercargoError('notFound', 'no-such-file', `the resource has no file ${printable(path)}`)
  return file
}
