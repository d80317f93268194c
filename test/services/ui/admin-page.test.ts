/** The admin page of the real server in a real browser without scripts: narrow and wide, light and dark, looked at and used. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FaultyApiServer } from '@supercargo/kube/testing'
import type { CollectorStatus } from '@supercargo/protocol'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type ServerProcess, startStagingServer } from '../../process/staging-server.ts'
import { BrowserPage } from '../chromium/page.ts'
import { describeWith, provisionTimeoutMs, running } from '../running.ts'
import { until } from '../until.ts'
import { faintTexts, wideElements } from './contrast.ts'

const admin = 'head.admin.sign'
const keeper = 'head.keeper.sign'
const hostilePath = "'><script>document.title=1</script><b onclick=x>&amp;.jar"
const looks = [
  { width: 375, height: 700, scheme: 'light' },
  { width: 375, height: 700, scheme: 'dark' },
  { width: 1280, height: 800, scheme: 'light' },
  { width: 1280, height: 800, scheme: 'dark' },
] as const

describeWith(['chromium'], 'the admin page', () => {
  let api: FaultyApiServer
  let server: ServerProcess
  let page: BrowserPage
  let directory: string
  const ids: string[] = []
  const secrets: string[] = []

  beforeAll(async () => {
    const { url } = await running('chromium')
    directory = mkdtempSync(join(tmpdir(), 'supercargo-ui-'))
    api = await startCluster()
    const kubeconfig = join(directory, 'kubeconfig')
    writeFileSync(kubeconfig, kubeconfigOf(`http://127.0.0.1:${api.port}`))
    server = await startStagingServer({
      arguments: [
        ...['--store', join(directory, 'store'), '--kube', 'auto', '--auth', 'kubernetes', '--kubeconfig', kubeconfig],
        ...['--collector-sweep-interval-ms', '200ms', '--collector-absent-grace-ms', '200ms'],
        ...['--collector-breaker-count', '0', '--collector-breaker-fraction', '0'],
        ...['--limits-namespace-bytes-max', '1Ki', '--limits-store-bytes-max', '1Gi'],
      ],
    })
    await stage('Pod', 'driver', { [hostilePath]: 'a', 'spark-jars/app.jar': 'b'.repeat(300) })
    await stage('Job', `a-job-with-${'a-very-long-name-'.repeat(10)}1`, { 'spark-files/settings.txt': 'c' })
    await until('the owners are seen', async () => (await status()).states.bound === 2, { timeoutMs: 30_000 })
    page = await BrowserPage.open(url)
    await page.withoutScripts()
    await page.look(looks[0])
  }, provisionTimeoutMs)
  afterAll(async () => {
    await page?.close()
    await server?.stop()
    await api?.stop()
    if (directory !== undefined) await rm(directory, { recursive: true })
  })

  async function stage(kind: string, name: string, files: Readonly<Record<string, string>>): Promise<void> {
    const apiVersion = kind === 'Job' ? 'batch/v1' : 'v1'
    api.cluster.put({ apiVersion, kind, metadata: { namespace: 'spark', name } })
    const form = new FormData()
    form.set('owner', JSON.stringify({ namespace: 'spark', apiVersion, kind, name }))
    for (const [path, bytes] of Object.entries(files)) form.append('file', new Blob([bytes]), path)
    const headers = { authorization: `Bearer ${admin}` }
    const answer = await fetch(`${server.url}/api/v1/resources`, { method: 'POST', body: form, headers })
    const staged = (await answer.json()) as { resourceId: string; resourceSecret: string }
    expect(answer.status, JSON.stringify(staged)).toBe(201)
    ids.push(staged.resourceId)
    secrets.push(staged.resourceSecret)
  }

  async function status(): Promise<CollectorStatus> {
    const headers = { authorization: `Bearer ${admin}` }
    return (await (await fetch(`${server.url}/api/v1/collector`, { headers })).json()) as CollectorStatus
  }

  async function signIn(token: string): Promise<void> {
    await page.goTo(`${server.url}/ui`)
    await page.type('#token', token)
    await page.press('main form button')
  }

  it('asks who visits, takes no token that the cluster refuses, and shows one namespace to whom it belongs', async () => {
    await signIn('head.unknown.sign')
    expect(await page.ask('document.title')).toContain('Sign in')
    expect(await page.ask('document.querySelector("[role=alert]").textContent')).toContain('token')
    await signIn(keeper)
    expect(await page.text()).toContain('Who may not look at all may still look at one.')
    await page.type('#namespace', 'spark')
    await page.press('form[role=search] button')
    expect(await page.text()).toContain(ids[0])
    await page.press('header form button')
    expect(await page.ask('document.title')).toContain('Sign in')
    page.complaints.length = 0
  })

  it('fits every window and can be read, light and dark, without scripts, and shows no secret', async () => {
    await signIn(admin)
    for (const place of [
      '',
      'resources',
      `resource?id=${ids[0]}`,
      `resource?id=${ids[1]}`,
      'sweeps',
      'resource?id=none',
    ]) {
      for (const look of looks) {
        await page.look(look)
        await page.goTo(`${server.url}/ui/${place}`)
        const at = `/ui/${place} at ${look.width}, ${look.scheme}`
        expect(await page.ask(wideElements), at).toEqual([])
        expect(await page.ask(faintTexts), at).toEqual([])
        const shown = await page.ask<string>('document.documentElement.outerHTML')
        for (const secret of [...secrets, admin]) expect(shown).not.toContain(secret)
        await picture(place, look)
      }
      expect(await page.ask('document.querySelectorAll("main h1").length')).toBe(1)
      expect(await page.ask('document.querySelectorAll("script, [onclick], main b").length')).toBe(0)
    }
    // What is not there is a 404, which a browser notes; anything else would be ours.
    expect(page.complaints.filter((each) => !each.includes('404') && !each.includes('401'))).toEqual([])
    await page.goTo(`${server.url}/ui/resource?id=${ids[0]}`)
    expect(await page.ask('document.title')).toContain('Resource')
    expect(await page.text()).toContain(hostilePath)
    expect(await page.text()).toContain('kept: ')
  })

  it('releases the breaker and a resource by their buttons', async () => {
    api.cluster.remove(api.cluster.find('v1', 'Pod', 'spark', 'driver')!)
    await until('the breaker', async () => (await status()).pauseCode === 'breaker', { timeoutMs: 30_000 })
    for (const look of looks) {
      await page.look(look)
      await page.goTo(`${server.url}/ui/`)
      expect(await page.ask(wideElements)).toEqual([])
      expect(await page.ask(faintTexts)).toEqual([])
      await picture('stopped', look)
    }
    expect(await page.text()).toContain('Collection is stopped')
    await page.press('section.alarm button')
    expect(await page.ask('location.pathname')).toBe('/ui/')
    expect(await page.text()).not.toContain('Collection is stopped')
    expect((await status()).states.condemned).toBe(1)
    await page.goTo(`${server.url}/ui/resource?id=${ids[1]}`)
    await page.press('main form button')
    expect(await page.text()).not.toContain(ids[1])
    expect((await status()).usage.resources).toBe(1)
  })

  /** For who wants to look: SUPERCARGO_TEST_PICTURES names a directory. */
  async function picture(place: string, { width, scheme }: (typeof looks)[number]): Promise<void> {
    const pictures = process.env.SUPERCARGO_TEST_PICTURES
    const name = place === '' ? 'overview' : place.replace(/\W/g, '-')
    if (pictures !== undefined) await page.screenshot(join(pictures, `${name}-${width}-${scheme}.png`))
  }
})

async function startCluster(): Promise<FaultyApiServer> {
  const api = await FaultyApiServer.start()
  api.cluster.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'spark' } })
  api.tokens.set(admin, { audiences: ['supercargo'], user: { username: 'admin@example.org' } })
  api.tokens.set(keeper, { audiences: ['supercargo'], user: { username: 'keeper' } })
  api.rules.allows = ({ user, resourceAttributes: { namespace } = {} }) => user !== 'keeper' || namespace === 'spark'
  return api
}

function kubeconfigOf(server: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'double',
    clusters: [{ name: 'double', cluster: { server } }],
    users: [{ name: 'double', user: {} }],
    contexts: [{ name: 'double', context: { cluster: 'double', user: 'double' } }],
  })
}
