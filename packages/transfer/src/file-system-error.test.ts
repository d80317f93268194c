/** What an error of the file system means, also where Node has no name for its number. */
import { constants } from 'node:os'
import { describe, expect, it } from 'vitest'
import { fromFileSystemError, isErrno } from './file-system-error.ts'

describe('an error of the file system', () => {
  it.each([
    ['ENOSPC', 'exhausted', 'disk-full'],
    ['EROFS', 'unavailable', 'read-only-file-system'],
    ['EMFILE', 'unavailable', 'too-many-open-files'],
    ['EIO', 'internal', 'disk-error'],
    ['EFBIG', 'tooLarge', 'file-too-large'],
  ])('%s is %s', (code, kind, ours) => {
    const error = Object.assign(new Error('reason'), { code, errno: -1 })
    expect(fromFileSystemError(error, 'cannot write /data/x')).toMatchObject({ kind, code: ours, cause: error })
  })

  it('that Node knows by its number alone has its name all the same', () => {
    const errno = -constants.errno.EDQUOT
    const error = Object.assign(new Error('reason'), { code: `Unknown system error ${errno}`, errno })
    expect(fromFileSystemError(error, 'cannot write /data/x')).toMatchObject({ kind: 'exhausted', code: 'disk-quota' })
    expect(isErrno(error, 'EDQUOT')).toBe(true)
    expect(isErrno(error, 'ENOSPC')).toBe(false)
  })

  it('that nobody knows keeps its words', () => {
    const error = Object.assign(new Error('the moon is full'), { code: 'Unknown system error -4095', errno: -4095 })
    expect(fromFileSystemError(error, 'cannot write /data/x')).toMatchObject({
      kind: 'internal',
      code: 'file-system',
      message: 'cannot write /data/x: the moon is full',
    })
    expect(isErrno(undefined, 'EIO')).toBe(false)
  })
})
