/** The refusals of a tree of names, each of them a situation that Hadoop's clients have a word for. */
import { printable, SupercargoError } from '@supercargo/protocol'
import type { NamePlace } from './name-tree.ts'

export function isDirectory(place: NamePlace): SupercargoError {
  return new SupercargoError('conflict', 'is-a-directory', `${shown(place)} is a directory`, {
    hint: 'choose another name, or remove the directory',
  })
}

export function notDirectory(place: NamePlace, name: string): SupercargoError {
  return new SupercargoError(
    'conflict',
    'not-a-directory',
    `${shown(place)} cannot be a directory: ${printable(name)} is a file`,
    { hint: 'choose another directory, or remove the file' },
  )
}

export function nameTaken(place: NamePlace): SupercargoError {
  return new SupercargoError('conflict', 'name-taken', `${shown(place)} is there already`, {
    hint: 'choose another name, remove it first, or ask for it to be overwritten',
  })
}

export function noSuchDirectory(place: NamePlace): SupercargoError {
  return new SupercargoError('notFound', 'no-such-directory', `there is no ${shown(place)}`)
}

export function notEmpty(place: NamePlace): SupercargoError {
  return new SupercargoError('conflict', 'directory-not-empty', `${shown(place)} is a directory that is not empty`, {
    hint: 'remove it with all that is in it (-r)',
  })
}

export function damagedName(cause: unknown): SupercargoError {
  return new SupercargoError('corrupt', 'damaged-name', 'a name in the store is damaged', {
    cause,
    hint: 'remove the directory that holds it, and upload its files again',
  })
}

function shown({ path }: NamePlace): string {
  return path === '' ? 'the top' : printable(path)
}
