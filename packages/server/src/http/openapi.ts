/** The API as an OpenAPI 3.1 document, from the schemas that check it. */
import { mediaTypes, problemSchema } from '@supercargo/protocol'
import { z } from 'zod'
import { type Operation, operations } from './openapi-operations.ts'

type Json = Record<string, unknown>

const { json, problem } = mediaTypes

/** `server` is where whoever asks reaches it. */
export function describeApi(server: string): Json {
  const paths: Record<string, Json> = {}
  for (const operation of operations) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: describeOperation(operation) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Supercargo staging server', version: '1' },
    servers: [{ url: server }],
    paths,
    components: {
      schemas: { Problem: schemaOf(problemSchema, 'output') },
      securitySchemes: {
        secret: { type: 'http', scheme: 'bearer', description: 'the resource secret' },
        rawSecret: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description: 'the resource secret without a scheme',
        },
        token: {
          type: 'http',
          scheme: 'bearer',
          description:
            "a token of the cluster for this server's audience, whose user has the right that the operation names on bundles.supercargo.io; not asked for by a server without authorisation",
        },
        podToken: {
          type: 'http',
          scheme: 'bearer',
          description:
            "a service account token for this server's audience, bound to a pod to which the resource belongs",
        },
      },
    },
  }
}

function describeOperation(operation: Operation): Json {
  const { body, security } = operation
  const responses: Record<string, Json> = {
    default: { description: 'an error', content: { [problem]: { schema: { $ref: '#/components/schemas/Problem' } } } },
  }
  for (const [status, answer] of Object.entries(operation.answers)) responses[status] = describeAnswer(answer)
  return {
    summary: operation.summary,
    parameters: [
      ...pathParameters(operation.path),
      ...queryParameters(operation.query),
      ...headerParameters(operation.headers),
    ],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            content: Object.fromEntries(Object.entries(body).map(([type, schema]) => [type, describeBody(schema)])),
          },
        }),
    ...(security === undefined ? {} : { security: security.map((scheme) => ({ [scheme]: [] })) }),
    responses,
  }
}

function describeAnswer(answer: z.ZodType | string): Json {
  if (answer === 'nothing') return { description: 'done, no body' }
  if (typeof answer === 'string') return { description: 'the bytes', content: { [answer]: {} } }
  return { description: 'done', content: { [json]: { schema: schemaOf(answer, 'output') } } }
}

function describeBody(schema: z.ZodType | 'bytes' | 'form'): Json {
  if (schema === 'bytes') return {}
  return { schema: schema === 'form' ? { type: 'object' } : schemaOf(schema, 'input') }
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((match) => ({
    name: match[1],
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
}

function queryParameters(query: z.ZodObject | undefined): Json[] {
  return Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema: schemaOf(schema as z.ZodType, 'input'),
  }))
}

function headerParameters(fields: Readonly<Record<string, string>> | undefined): Json[] {
  return Object.entries(fields ?? {}).map(([name, description]) => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  }))
}

/** What JSON Schema cannot say (a transform, a custom check) is left open. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as Json
  void $schema
  return rest
}
