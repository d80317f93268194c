/** One resource: why it is kept, whose it is, its files and capabilities by name, and its release. Never a secret. */
import { type Explanation, formatBytes, namespaceOf } from '@supercargo/protocol'
import type { CapabilityRecord } from '../../store/store.ts'
import type { Found } from '../find-resource.ts'
import { framed, type Visitor } from './frame.ts'
import { type Html, html } from './html.ts'
import { ago, deed, facts, owners, quoted, state, table } from './show.ts'

export interface ResourceView {
  readonly visitor: Visitor
  readonly found: Found
  readonly explanation: Explanation
  readonly nowMs: number
}

/** Files of a page. */
const filesMax = 500
/** Enough to compare by eye; who knows a whole digest may have the bytes. */
const digestLength = 'sha256:'.length + 12

export function resourcePage(view: ResourceView): Html {
  const { visitor, found, explanation, nowMs } = view
  const { id, owners: its, principal, createdAtMs } = found.upload ?? found.record
  return framed(
    { title: 'Resource', current: 'resources', visitor },
    html`<p><code>${id}</code></p>
${facts([
  ['State', state(explanation.state)],
  ['Verdict', explanation.verdict],
  ['Why', explanation.reason],
  ['Since', ago(explanation.since, nowMs)],
  ['Namespace', namespaceOf(its)],
  ['Owner', owners(its)],
  ['Staged by', principal === undefined ? 'nobody was asked' : quoted(principal)],
  ['Staged', ago(createdAtMs, nowMs)],
  ...(found.record === undefined
    ? []
    : ([
        ['Committed', ago(found.record.committedAtMs, nowMs)],
        ['Came by', found.record.door],
      ] as const)),
])}
${explanation.evidence.length === 0 ? undefined : html`<h2>Evidence</h2><ul>${explanation.evidence.map((line) => html`<li>${quoted(line)}</li>`)}</ul>`}
${files(found)}
${found.record === undefined ? undefined : capabilities(found.record.capabilities, nowMs)}
${release(id, visitor)}`,
  )
}

function files(found: Found): Html {
  const { files: its } = found.upload ?? found.record
  const bytes = its.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const rows = its
    .slice(0, filesMax)
    .map(({ path, sizeBytes, digest }) => [
      quoted(path),
      formatBytes(sizeBytes),
      html`<code>${digest.slice(0, digestLength)}…</code>`,
    ])
  const columns = [{ title: 'Path' }, { title: 'Size', numeric: true }, { title: 'Digest' }] as const
  const more = its.length - rows.length
  return html`<h2>Files</h2>
${table(`${its.length} files, ${formatBytes(bytes)}`, columns, rows)}
${more > 0 ? html`<p class="quiet">and ${more} more</p>` : undefined}`
}

function capabilities(its: readonly CapabilityRecord[], nowMs: number): Html | undefined {
  if (its.length === 0) return undefined
  const rows = its.map(({ name, expiresAtMs }) => [html`<code>${name}</code>`, endOf(expiresAtMs, nowMs)])
  return html`<h2>Capabilities</h2>
${table('URLs that read it without a secret', [{ title: 'Name' }, { title: 'Ends' }], rows)}`
}

function endOf(expiresAtMs: number | null, nowMs: number): Html {
  if (expiresAtMs === null) return html`with the resource`
  if (expiresAtMs <= nowMs) return html`ended ${ago(expiresAtMs, nowMs)}`
  const instant = new Date(expiresAtMs).toISOString()
  return html`<time datetime="${instant}">${instant}</time>`
}

function release(id: string, { key, asked }: Visitor): Html {
  const secret = html`<p><label for="secret">Its secret, as staging it has printed it</label>
<input id="secret" type="password" name="secret" required autocomplete="off"></p>`
  return html`<h2>Release</h2>
<p>Deletes it now. Pods that have yet to fetch it fail.</p>
${deed('resource-release', key, 'Release', html`<input type="hidden" name="id" value="${id}">${asked ? undefined : secret}`)}`
}
