/** What may be configured, which source wins, and what is refused with which hint. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the syntax under test looks like a template
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkConfig, loadConfig, printConfig } from './config.ts'
import { listSettings } from './config-schema.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'supercargo-config-'))
})
afterAll(() => rm(directory, { recursive: true }))

async function file(name: string, text: string): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, text)
  return path
}

const store = { directory: '/data' }

describe('the configuration', () => {
  it('has a default for everything but the store', () => {
    const config = checkConfig({ store })
    expect(config).toMatchObject({
      listen: '127.0.0.1:10000',
      kube: 'none',
      auth: 'none',
      limits: { uploadsMax: 64, filesPerResourceMax: 10_000, idleTimeoutMs: 60_000 },
      collector: { sweepIntervalMs: 60_000, firstUseTimeoutMs: 1_800_000, breakerCount: 20, breakerFraction: 0.1 },
      drainTimeoutMs: 25_000,
      logLevel: 'info',
    })
    expect(() => checkConfig({})).toThrow(expect.objectContaining({ code: 'no-store' }))
  })

  it('lets flags win over the environment, that over the file, that over the defaults', async () => {
    const path = await file(
      'a.yaml',
      'listen: 127.0.0.1:1\nlogLevel: warn\nstore: { directory: /in-file }\nlimits: { uploadsMax: 3, fileBytesMax: 2Gi }\n',
    )
    const config = await loadConfig({
      flags: { config: path, listen: '127.0.0.1:3' },
      environment: {
        SUPERCARGO_LISTEN: '127.0.0.1:2',
        SUPERCARGO_LOG_LEVEL: 'error',
        SUPERCARGO_LIMITS_UPLOADS_MAX: '5',
        OTHER: 'x',
      },
    })
    expect(config.listen).toBe('127.0.0.1:3')
    expect(config.logLevel).toBe('error')
    expect(config.store.directory).toBe('/in-file')
    expect(config.limits).toMatchObject({ uploadsMax: 5, fileBytesMax: 2 * 2 ** 30 })
  })

  it('takes blocks of addresses by commas, as JSON and as a list', () => {
    for (const trustedProxies of ['10.1.0.0/16, ::1', '["10.1.0.0/16","::1"]', ['10.1.0.0/16', '::1']])
      expect(checkConfig({ store, trustedProxies }).trustedProxies).toEqual(['10.1.0.0/16', '::1'])
    expect(checkConfig({ store, trustedProxies: '' }).trustedProxies).toEqual([])
  })

  it('wants a proxy that is trusted where one is to send files', () => {
    const check = () => checkConfig({ store, accelRedirect: '/blobs' })
    expect(check).toThrow(expect.objectContaining({ kind: 'invalid', code: 'no-trusted-proxy' }))
  })

  it('takes sizes and durations as people write them, as flags, in files and in the environment', async () => {
    const config = await loadConfig({
      flags: { store: '/data', 'limits-store-bytes-max': '64Gi', 'drain-timeout-ms': '30s', 'allow-anonymous': true },
      environment: { SUPERCARGO_COLLECTOR_SWEEP_INTERVAL_MS: '2m', SUPERCARGO_LIMITS_IDLE_TIMEOUT_MS: '90000' },
    })
    expect(config.limits).toMatchObject({ storeBytesMax: 64 * 2 ** 30, idleTimeoutMs: 90_000 })
    expect([config.drainTimeoutMs, config.collector.sweepIntervalMs, config.allowAnonymous]).toEqual([
      30_000,
      120_000,
      true,
    ])
  })

  it.each([
    [{ lisen: 'x' }, 'did you mean listen?'],
    [{ limits: { fileByteMax: 1 } }, 'did you mean limits.fileBytesMax?'],
    [{ collector: { sweepIntervall: 1 } }, 'did you mean collector.sweepIntervalMs?'],
    [{ tls: { certFile: 'a', keyFile: 'b', clientCAFile: 'c' } }, 'did you mean tls.clientCaFile?'],
    [{ zzz: 1 }, undefined],
  ])('refuses the unknown key of %o', (more, hint) => {
    expect(() => checkConfig({ store, ...more })).toThrow(
      expect.objectContaining({ kind: 'invalid', code: 'unknown-setting', hint }),
    )
  })

  it('refuses an unknown flag, with the nearest one', async () => {
    await expect(loadConfig({ flags: { store: '/data', lissten: 'x' } })).rejects.toMatchObject({
      code: 'unknown-setting',
      hint: 'did you mean --listen?',
    })
  })

  it.each([
    [{ listen: '10000' }],
    [{ limits: { uploadsMax: 0 } }],
    [{ limits: { fileBytesMax: '64 Gigs' } }],
    [{ limits: { fileBytesMax: -1 } }],
    [{ drainTimeoutMs: 'soon' }],
    [{ logLevel: 'loud' }],
    [{ collector: { breakerFraction: 2 } }],
    [{ collector: { policies: [{ keepLast: 0 }] } }],
    [{ collector: { policies: [{ minAgeMs: '2h', maxAgeMs: '1h' }] } }],
    [{ collector: { policies: 'no JSON' } }],
    [{ tls: { certFile: 'a' } }],
    [{ publicUrl: 'ftp://x' }],
    [{ trustedProxies: ['10.0.0.0/40'] }],
    [{ trustedProxies: 'ingress' }],
    [{ trustedProxies: '127.0.0.1', accelRedirect: 'blobs' }],
  ])('refuses %o', (more) => {
    expect(() => checkConfig({ store, ...more })).toThrow(
      expect.objectContaining({ kind: 'invalid', code: 'bad-config' }),
    )
  })

  it('takes a bucket as --store, with what belongs to it', async () => {
    const flags = { store: 's3://bucket/prefix', 'store-region': 'eu-central-1', 'redirect-downloads': 'true' }
    const config = await loadConfig({ flags, environment: { SUPERCARGO_STORE_PATH_STYLE: 'true' } })
    const settings = { region: 'eu-central-1', pathStyle: true, redirectDownloads: true, redirectMs: 300_000 }
    expect(config.store).toMatchObject({ url: 's3://bucket/prefix', ...settings })
    expect(checkConfig({ store: { url: 's3a://bucket' } }).store.url).toBe('s3a://bucket')
  })

  it.each([
    [{ store: { url: 's3://bucket/prefix', directory: '/data' } }, 'two-stores'],
    [{ store: { directory: '/data', redirectDownloads: true } }, 'no-redirects'],
  ])('refuses %o, which contradicts itself', (more, code) => {
    expect(() => checkConfig(more)).toThrow(expect.objectContaining({ kind: 'invalid', code }))
  })

  it.each([[{ store: { url: 'file:///data' } }], [{ store: { url: 'hdfs://ns/path' } }]])(
    'says of %o that this build does not have it',
    (more) => {
      expect(() => checkConfig(more)).toThrow(expect.objectContaining({ kind: 'invalid', code: 'not-in-this-build' }))
    },
  )

  it.each([
    ['0.0.0.0:1', false],
    [':1', false],
    ['[::]:1', false],
    ['10.0.0.1:1', false],
    ['127.example.org:1', false],
    ['[::1]:1', true],
    ['127.0.0.2:1', true],
    ['localhost:1', true],
  ])('without authorisation %s is fine: %s', (listen, fine) => {
    const check = () => checkConfig({ store, listen })
    if (fine) expect(check().listen).toBe(listen)
    else expect(check).toThrow(expect.objectContaining({ code: 'anonymous-beyond-loopback' }))
    expect(checkConfig({ store, listen, allowAnonymous: true }).listen).toBe(listen)
  })

  it('with authorisation by the cluster is fine on any address', () => {
    expect(checkConfig({ store, listen: ':1', auth: 'kubernetes' })).toMatchObject({
      authAudience: 'supercargo',
      allowAnonymousV0: false,
    })
    expect(() => checkConfig({ store, auth: 'kubernetes', authAudience: '' })).toThrow(
      expect.objectContaining({ code: 'bad-config' }),
    )
  })

  it('takes retention policies as a list in a file and as JSON in a flag', async () => {
    const policies = [
      { namespace: 'spark', kind: 'CronJob', keepLast: 3 },
      { releaseAfter: 'completion', maxAgeMs: 86_400_000 },
    ] as const
    const text = JSON.stringify(policies).replace('86400000', '"1d"')
    const flags = { store: '/data', 'collector-policies': text }
    expect((await loadConfig({ flags })).collector.policies).toEqual(policies)
    const path = await file('policies.yaml', `store: { directory: /data }\ncollector: { policies: ${text} }\n`)
    expect((await loadConfig({ flags: { config: path } })).collector.policies).toEqual(policies)
    expect(checkConfig({ store }).collector.policies).toEqual([])
    expect(() => checkConfig({ store, collector: { policies: [{ keeplast: 3 }] } })).toThrow(
      expect.objectContaining({ code: 'unknown-setting' }),
    )
  })

  it('can be printed and read back; the private key is [file]', async () => {
    const config = checkConfig({ store, tls: { certFile: '/c.pem', keyFile: '/k.pem' } })
    expect(printConfig(config)).toContain('"keyFile": "[file]"')
    const path = await file('printed.yaml', printConfig(config).replace('[file]', '/k.pem'))
    expect(await loadConfig({ flags: { config: path } })).toEqual(config)
  })

  it.each([
    ['a: [1', 'bad-yaml'],
    ['- 1\n- 2\n', 'bad-config'],
  ])('refuses the file %j', async (text, code) => {
    await expect(loadConfig({ flags: { config: await file('bad.yaml', text) } })).rejects.toMatchObject({
      kind: 'invalid',
      code,
    })
  })

  it('names a file that is not there', async () => {
    await expect(loadConfig({ flags: { config: '/nowhere/x.yaml' } })).rejects.toMatchObject({
      message: expect.stringContaining('/nowhere/x.yaml'),
    })
  })

  it('has one flag and one environment variable for each setting, each with a description', () => {
    const settings = listSettings()
    for (const name of ['flag', 'environment', 'key'] as const)
      expect(new Set(settings.map((setting) => setting[name])).size).toBe(settings.length)
    for (const setting of settings) expect(setting.description, setting.key).not.toBe('')
    expect(settings.find((setting) => setting.key === 'store.directory')).toMatchObject({
      flag: '--store',
      environment: 'SUPERCARGO_STORE',
    })
    expect(settings.filter((setting) => setting.isSwitch).map((setting) => setting.flag)).toEqual([
      '--store-path-style',
      '--redirect-downloads',
      '--allow-anonymous-v0',
      '--allow-anonymous',
      '--collector-dry-run',
    ])
  })
})

describe('the properties file of the 2017 server', () => {
  it('is understood, and its unknown keys are ignored', async () => {
    const path = await file(
      'rss.properties',
      [
        '# a comment',
        'spark.kubernetes.resourceStagingServer.port=12000',
        'spark.kubernetes.resourceStagingServer.initialAccessExpirationTimeout : 45m',
        'spark.ssl.kubernetes.resourceStagingServer.enabled true',
        'spark.ssl.kubernetes.resourceStagingServer.keyPem=/mnt/${env:DIR}/key.pem',
        'spark.ssl.kubernetes.resourceStagingServer.serverCertPem=/mnt/secrets/\\',
        '    cert.pem',
        'spark.something.else=1',
      ].join('\n'),
    )
    const config = await loadConfig({
      flags: { config: path, store: '/data', 'allow-anonymous': true },
      environment: { DIR: 'secrets' },
    })
    expect(config.listen).toBe('0.0.0.0:12000')
    expect(config.collector.firstUseTimeoutMs).toBe(45 * 60_000)
    expect(config.tls).toEqual({ keyFile: '/mnt/secrets/key.pem', certFile: '/mnt/secrets/cert.pem' })
  })

  it('is refused where it asks for a Java key store', async () => {
    const path = await file('jks.properties', 'spark.ssl.enabled=true\nspark.ssl.keyStore=/x.jks\n')
    await expect(loadConfig({ flags: { config: path, store: '/data' } })).rejects.toMatchObject({
      code: 'no-pem',
      hint: expect.stringContaining('PEM'),
    })
  })
})
