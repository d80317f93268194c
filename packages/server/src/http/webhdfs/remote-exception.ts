/** Errors as Hadoop's clients read them: the class that the client throws, and the message that its user sees as it is. */
import type { SupercargoError } from '@supercargo/protocol'
import type { FastifyReply } from 'fastify'
import { fromRequestError, problemHeaders, toProblem } from '../problem.ts'

interface Answer {
  readonly javaClass: string
  readonly status: number
}

const fileSystem = 'org.apache.hadoop.fs'
const plain = 'java.io.IOException'

/** Situations for which Hadoop has a class of its own. The statuses are those of its NameNode. */
const byCode: Readonly<Record<string, Answer>> = {
  'name-taken': { javaClass: `${fileSystem}.FileAlreadyExistsException`, status: 403 },
  'is-a-directory': { javaClass: `${fileSystem}.FileAlreadyExistsException`, status: 403 },
  'not-a-directory': { javaClass: `${fileSystem}.ParentNotDirectoryException`, status: 403 },
  'directory-not-empty': { javaClass: `${fileSystem}.PathIsNotEmptyDirectoryException`, status: 403 },
  // No UnsupportedOperationException: Hadoop's shell shows that as a fault of its own, with a stack.
  'unsupported-operation': { javaClass: plain, status: 400 },
}

/** 401 is never said: Hadoop's client does not read the body of that one. */
export function hadoopAnswer(error: SupercargoError): Answer {
  const known = byCode[error.code]
  if (known !== undefined) return known
  switch (error.kind) {
    case 'denied':
      return { javaClass: 'org.apache.hadoop.security.AccessControlException', status: 403 }
    case 'notFound':
      return { javaClass: 'java.io.FileNotFoundException', status: 404 }
    case 'invalid':
      return { javaClass: 'java.lang.IllegalArgumentException', status: error.status }
    case 'unsafe':
      return { javaClass: 'org.apache.hadoop.fs.InvalidPathException', status: 400 }
    case 'range':
      return { javaClass: 'java.io.EOFException', status: 403 }
    default:
      return { javaClass: plain, status: error.status }
  }
}

export function sendRemoteException(reply: FastifyReply, thrown: unknown): FastifyReply {
  const error = fromRequestError(thrown)
  reply.request.exchange.failure = error
  const { status, body } = remoteException(error, reply.request.id)
  const retryAfter = problemHeaders(error)['retry-after']
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter)
  return sendHadoopJson(reply, status, body)
}

function remoteException(error: SupercargoError, id: string): { status: number; body: object } {
  const { javaClass, status } = hadoopAnswer(error)
  const { detail, hint, requestId } = toProblem(error, id)
  const more = [hint, error.kind === 'internal' ? `request ${requestId}` : undefined].filter(
    (text) => text !== undefined,
  )
  const body = {
    RemoteException: {
      exception: javaClass.slice(javaClass.lastIndexOf('.') + 1),
      javaClassName: javaClass,
      message: [detail, ...more].join('; '),
    },
  }
  return { status, body }
}

/** JSON without a Content-Type: a Hadoop 3.5 client has lost the class with which it reads that header, and fails at any value. */
export function sendHadoopJson(reply: FastifyReply, status: number, body: unknown): FastifyReply {
  return reply.code(status).send(Buffer.from(JSON.stringify(body)))
}
