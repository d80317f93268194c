/** What a bucket answers, as failures of a store: once, here, with what the admin can do about each. */
import { type ErrorKind, SupercargoError, toSupercargoError } from '@supercargo/protocol'
import type { BucketObjects } from '@supercargo/transfer/s3'

/** Kinds that are the store's own trouble. The others would blame whoever asked. */
const kept: ReadonlySet<ErrorKind> = new Set(['exhausted', 'unavailable', 'internal', 'corrupt'])

const rights =
  's3:ListBucket and s3:ListBucketMultipartUploads on the bucket; s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and s3:ListMultipartUploadParts below the prefix'
const keys = 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the web identity of the pod'

const hints: Readonly<Record<string, string>> = {
  's3-access-denied': `give this server's identity ${rights}`,
  's3-unknown-key': `are the credentials of this store? it takes ${keys}`,
  's3-wrong-signature': 'is AWS_SECRET_ACCESS_KEY right, and does nothing in between rewrite requests?',
  's3-expired-token': 'temporary credentials ended; give ones that are renewed, such as the web identity of the pod',
  's3-invalid-token': 'is AWS_SESSION_TOKEN of the same credentials as the key?',
  's3-clock-skewed': 'set the clock of this machine, or of the store',
  's3-no-such-bucket': 'create the bucket, or correct --store; with --store-path-style the bucket is in the path',
  's3-wrong-region': 'set --store-region to the region of the bucket',
  's3-redirect': 'set --store-endpoint to the address of the store itself',
  'no-credentials': `give the server ${keys}`,
  'credentials-unavailable': 'the service that gives credentials does not answer; uploads go on when it does',
  's3-busy': 'the store throttles or is overloaded; what was asked is tried again, and clients come back',
}

/** The same objects; every failure is the store's. */
export function guarded(objects: BucketObjects): BucketObjects {
  return new Proxy(objects, {
    get(target, name) {
      const method = Reflect.get(target, name, target) as unknown
      if (typeof method !== 'function') return method
      return (...parameters: unknown[]) => {
        const answer = method.apply(target, parameters) as Promise<unknown> | AsyncIterable<unknown>
        if (answer instanceof Promise) return answer.catch((error: unknown) => Promise.reject(fromBucketError(error)))
        return listed(answer as AsyncIterable<unknown>)
      }
    },
  })
}

export function fromBucketError(error: unknown): SupercargoError {
  const failure = toSupercargoError(error)
  const hint = hints[failure.code] ?? (kept.has(failure.kind) ? failure.hint : undefined)
  const { context, retryAfterMs } = failure
  const options = { cause: failure, hint, context, retryAfterMs }
  if (context.s3Code === 'QuotaExceeded')
    return new SupercargoError('exhausted', 'store-quota', 'the quota of the bucket is used up', {
      ...options,
      hint: 'release resources, or raise the quota of the bucket',
    })
  const kind = kept.has(failure.kind) ? failure.kind : 'unavailable'
  const code = failure.code.startsWith('store-') ? failure.code : `store-${failure.code}`
  return new SupercargoError(kind, code, 'the object store does not do what it is asked', options)
}

async function* listed(answers: AsyncIterable<unknown>): AsyncGenerator<unknown> {
  try {
    yield* answers
  } catch (error) {
    throw fromBucketError(error)
  }
}
