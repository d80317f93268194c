/** Which addresses may be dialled, in every way of writing them. */
import { describe, expect, it } from 'vitest'
import { type AddressPolicy, addressFault, guardedLookup } from './address-policy.ts'

const strict = { metadata: false, own: false }
const open = { metadata: true, own: true }

describe('an address', () => {
  it.each([
    '169.254.169.254',
    '169.254.0.1',
    '100.100.100.200',
    '192.0.0.192',
    'fe80::1',
    'febf::1',
    'fd00:ec2::254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '[fe80::1]',
    '127.0.0.1',
    '127.255.255.254',
    '0.0.0.0',
    '::1',
    '::',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '0:0:0:0:0:0:0:1',
  ])('%s is refused unless it is allowed', (address) => {
    expect(addressFault(address, strict)).toEqual(expect.any(String))
    expect(addressFault(address, open)).toBeUndefined()
  })

  it.each(['10.0.0.1', '192.168.1.1', '100.100.100.201', '8.8.8.8', 'fd00:1::1', '2001:db8::1', '::ffff:10.0.0.1'])(
    '%s is dialled',
    (address) => {
      expect(addressFault(address, strict)).toBeUndefined()
    },
  )
})

describe('a guarded lookup', () => {
  const ask = (policy: AddressPolicy, all: boolean, host = 'localhost'): Promise<unknown> =>
    new Promise((resolve, reject) =>
      guardedLookup(policy)(host, { all }, (error, address) => (error === null ? resolve(address) : reject(error))),
    )

  it('gives out only what is allowed', async () => {
    await expect(ask(strict, true)).rejects.toMatchObject({ kind: 'unsafe', code: 'address-refused' })
    await expect(ask(strict, false)).rejects.toMatchObject({ kind: 'unsafe' })
    await expect(ask(open, true)).resolves.toEqual(
      expect.arrayContaining([expect.objectContaining({ address: expect.any(String) })]),
    )
    await expect(ask(open, false)).resolves.toMatch(/^(127\.0\.0\.1|::1)$/)
  })

  it('takes the address that is given for a name, and checks it like any other', async () => {
    const hosts = new Map([
      ['datanode.example', '10.1.2.3'],
      ['metadata.example', '169.254.169.254'],
    ])
    await expect(ask({ ...strict, hosts }, false, 'DataNode.example')).resolves.toBe('10.1.2.3')
    await expect(ask({ ...strict, hosts }, true, 'metadata.example')).rejects.toMatchObject({ code: 'address-refused' })
  })
})
