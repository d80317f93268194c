/** What the pages say of hostile names, of empty stores, and of much. */
import { type CollectorStatus, collectorStatusSchema, type ListingRow, resourceStates } from '@supercargo/protocol'
import { describe, expect, it } from 'vitest'
import type { ResourceRecord } from '../../store/store.ts'
import { type Html, html } from './html.ts'
import { overviewPage } from './overview-page.ts'
import { refusalPage, signInPage } from './refusal-page.ts'
import { resourcePage } from './resource-page.ts'
import { resourcesPage } from './resources-page.ts'
import { sweepsPage } from './sweeps-page.ts'

const evil = `"'><script>alert(1)</script><img src=x onerror=y>&lt;`
const visitor = { key: 'the-key', asked: true, signedIn: true, principal: evil }
const id = 'abcdefghijklmnopqrstuvwxyz'
const nowMs = Date.UTC(2026, 5, 1)
const instant = new Date(nowMs - 90_000).toISOString()
const owner = { namespace: 'spark', apiVersion: 'v1', kind: evil, name: evil }

const sweep = {
  startedAt: instant,
  durationMs: 12,
  ...{ examined: 1, kept: 1, condemned: 0, spared: 0, collected: 0, abandonedUploads: 0, orphanBlobs: 0 },
  ...{ freedBytes: 0, requests: 1, epoch: 0 },
  errors: [evil],
}
const states = Object.fromEntries(resourceStates.map((state) => [state, 1])) as CollectorStatus['states']
const status: CollectorStatus = collectorStatusSchema.parse({
  cluster: evil,
  lastSweep: sweep,
  recentSweeps: [sweep],
  paused: evil,
  pauseCode: 'breaker',
  sweeping: true,
  dryRun: false,
  states,
  kinds: { [evil]: states },
  stagers: [{ namespace: evil, principal: evil, resources: 1, sizeBytes: 1 }],
  unknownOwners: { [evil]: 1 },
  completeSweepAgeMs: 0,
  totals: { condemned: 0, collected: 0, revived: 0, nearMisses: 0, breakerTrips: 1 },
  usage: { resources: 1, blobs: 1, bytes: 1, reservedBytes: 0, namespaces: { spark: 1 } },
})
const row: ListingRow = {
  resourceId: id,
  owner: [owner],
  principal: evil,
  state: 'bound',
  reason: evil,
  files: 1,
  sizeBytes: 1,
  createdAt: instant,
  lastFetchedAt: null,
}
const record: ResourceRecord = {
  version: 1,
  id,
  secretHash: `sha256:${'5'.repeat(64)}`,
  owners: [owner],
  files: Array.from({ length: 501 }, (_, each) => ({
    path: `${evil}${each}`,
    sizeBytes: 1,
    digest: `sha256:${'d'.repeat(64)}` as const,
  })),
  door: 'v1',
  createdAtMs: nowMs,
  committedAtMs: nowMs,
  capabilities: [
    { name: evil, hash: `sha256:${'6'.repeat(64)}`, expiresAtMs: nowMs - 1000 },
    { name: 'without-end', hash: `sha256:${'7'.repeat(64)}`, expiresAtMs: null },
  ],
  principal: evil,
}
const usage = { bytes: 5, reservedBytes: 1, openUploads: 1, namespaces: { [evil]: 5 } }
const explanation = { resourceId: id, state: 'bound', verdict: 'keep', reason: evil, since: instant, evidence: [evil] }
const overview = { visitor, status, usage, limits: { storeBytesMax: 10, namespaceBytesMax: 0 }, freeBytes: 1, nowMs }
const problem = { type: 'x', title: evil, status: 403, detail: evil, hint: evil, code: evil, requestId: evil }

const pages: Readonly<Record<string, Html>> = {
  overview: overviewPage(overview),
  resources: resourcesPage({
    visitor,
    query: { namespace: evil, continue: 'x', limit: 1 },
    listing: { resources: [row], continue: evil },
    nowMs,
  }),
  resource: resourcePage({ visitor, found: { record }, explanation: explanation as never, nowMs }),
  sweeps: sweepsPage({ visitor, status, nowMs }),
  signIn: signInPage(visitor, evil, problem),
  refusal: refusalPage(visitor, problem),
}

describe.each(Object.entries(pages))('the page %s', (_, page) => {
  const text = page.toString()

  it('escapes whatever others have named', () => {
    expect(text).toContain('&#60;script&#62;alert(1)')
    for (const raw of ['<script', '<img', evil, '"\'>']) expect(text).not.toContain(raw)
  })

  it('needs no script, names nothing from elsewhere, and works below any path', () => {
    expect(text).not.toMatch(/<script|javascript:|\son[a-z]+\s*=\s*["']|style=/i)
    const links = [...text.matchAll(/(?:href|src|action)="([^"]*)"/g)].map((match) => match[1]!)
    expect(links.length).toBeGreaterThan(3)
    for (const link of links) expect(link).toMatch(/^(\.\/|#content|[a-z-]+(\.css|\?.*)?)$/)
  })

  it('shows no hash, neither of a secret nor whole of a file', () => {
    expect(text).not.toMatch(/([0-9a-f])\1{20}/)
  })

  it('can be walked by its landmarks, headings and titled cells', () => {
    for (const part of ['<html lang="en">', '<header>', '<nav aria-label="Pages">', '<main id="content"', '<h1>'])
      expect(text.split(part)).toHaveLength(2)
    expect(text.split('<table').length).toBe(text.split('<caption>').length)
    for (const title of text.matchAll(/<th [^>]*>/g)) expect(title[0]).toContain('scope="col"')
    for (const [, field] of text.matchAll(/<(?:input|select) (id="[^"]*"|type="hidden")/g))
      if (field!.startsWith('id=')) expect(text).toContain(`<label for=${field!.slice('id='.length)}>`)
  })
})

describe('the pages', () => {
  it('write an attribute, a number, nothing and nested HTML as they are meant', () => {
    expect(String(html`<a b="${'"&'}">${1}${undefined}${[html`<i>`, html`x`]}</a>`)).toBe('<a b="&#34;&#38;">1<i>x</a>')
  })

  it('offer the release of what can be released, and only that', () => {
    expect(String(pages.overview)).toContain('action="collector-release"')
    const other = { ...status, pauseCode: 'other-cluster' }
    expect(String(overviewPage({ ...overview, status: other }))).not.toContain('collector-release')
    expect(String(overviewPage({ ...overview, status: { ...status, paused: null } }))).not.toContain('release')
  })

  it('ask for the secret of a resource where nobody is asked who they are', () => {
    const anonymous = { ...visitor, asked: false }
    const page = resourcePage({ visitor: anonymous, found: { record }, explanation: explanation as never, nowMs })
    expect(String(page)).toContain('name="secret"')
    expect(String(pages.resource)).not.toContain('name="secret"')
  })

  it('say how many files they do not show, and when capabilities end', () => {
    expect(String(pages.resource)).toContain('and 1 more')
    expect(String(pages.resource)).toContain('ended <time')
    expect(String(pages.resource)).toContain('with the resource')
  })

  it('say so when there is nothing', () => {
    const nothing = { ...status, recentSweeps: [], stagers: [], kinds: {}, lastSweep: null }
    expect(String(sweepsPage({ visitor, status: nothing, nowMs }))).toContain('None yet.')
    const empty = overviewPage({ ...overview, status: nothing, usage: { ...usage, namespaces: {} } })
    expect(String(empty)).toContain('Nothing is stored.')
    expect(String(resourcesPage({ visitor, query: { limit: 1 }, listing: { resources: [] }, nowMs }))).toContain(
      'Nothing is staged here.',
    )
  })
})
