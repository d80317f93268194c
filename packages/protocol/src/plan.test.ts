/** The plan: what names a staged resource, and what is refused with the reason. */
import { describe, expect, it } from 'vitest'
import { planSchema } from './plan.ts'

const resource = 'a'.repeat(26)
const parse = (item: object) => planSchema.safeParse({ version: 1, root: '/r', items: [item] })

describe('a staged resource of a plan', () => {
  it('opens with its secret, or with the token of the pod', () => {
    expect(parse({ resource, secretFile: '/s' }).data?.items).toEqual([{ resource, secretFile: '/s', to: '.' }])
    expect(parse({ resource, tokenFile: '/t', to: 'x' }).data?.items).toEqual([{ resource, tokenFile: '/t', to: 'x' }])
  })

  it.each([
    [{ resource }, 'an item is {resource, secretFile, to}, {resource, tokenFile, to} or {uri'],
    [{ resource, secretFile: '/s', tokenFile: '/t' }, 'Unrecognized key|an item is'],
    [{ resource, tokenFile: 'relative' }, 'write an absolute path'],
    [{ resource, tokenFile: '/t', to: '../x' }, 'the target'],
    [{ resource, tokenFile: '/t', digest: 'x' }, 'digest'],
    [{ uri: 'https://h/a', to: 'a', tokenFile: '/t' }, 'tokenFile'],
  ])('is refused as %j', (item, reason) => {
    const parsed = parse(item)
    expect(parsed.success).toBe(false)
    expect(parsed.error!.issues.map(({ message }) => message).join()).toMatch(
      new RegExp(reason.replace(/[{}?]/g, '\\$&')),
    )
  })
})
