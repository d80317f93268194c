/** The errors of the store: foreign ones translated once, and the situations that more than one file names. */
import { type Digest, type ErrorKind, printable, SupercargoError } from '@supercargo/protocol'
import { fromFileSystemError } from '@supercargo/transfer'

/** Kinds that may leave the store when the file system fails. The others would blame whoever asked. */
const storageKinds: ReadonlySet<ErrorKind> = new Set(['exhausted', 'tooLarge', 'unavailable', 'internal', 'corrupt'])

/** Translates a failure of the file system. A missing or forbidden file of ours is our trouble, never the caller's 404 or 403. */
export function fromStorageError(error: unknown, action: string): SupercargoError {
  if (SupercargoError.is(error)) return error
  const translated = fromFileSystemError(error, action)
  if (storageKinds.has(translated.kind)) return translated
  return new SupercargoError('unavailable', `store-${translated.code}`, translated.message, {
    cause: error,
    hint: translated.hint,
  })
}

export function unknownUpload(id: string): SupercargoError {
  return new SupercargoError('notFound', 'unknown-upload', `there is no open upload ${printable(id)}`, {
    hint: 'it was committed, aborted or abandoned; stage again',
  })
}

export function superseded(digest: Digest): SupercargoError {
  return new SupercargoError('interrupted', 'superseded', `a newer transfer of ${digest} has taken over`)
}

export function uploadEnded(id: string): SupercargoError {
  return new SupercargoError('interrupted', 'upload-ended', `the upload ${id} has ended while its bytes were coming`)
}

export function noStoreThere(place: string): SupercargoError {
  return new SupercargoError('notFound', 'no-store-there', `there is no store in ${place}`)
}

export function storeClosed(): SupercargoError {
  return new SupercargoError('unavailable', 'store-closed', 'the store is closing', { hint: 'try again in a moment' })
}

export function damagedRecord(id: string, cause: unknown): SupercargoError {
  return new SupercargoError('corrupt', 'damaged-record', `the record of resource ${id} is damaged`, {
    cause,
    hint: 'restore resources/ from a backup, or release the resource',
  })
}
