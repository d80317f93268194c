/** The table of resources: filtered, page by page, each with the reason why it is kept. */
import { formatBytes, type Listing, resourceStates } from '@supercargo/protocol'
import type { ListQuery } from '../../collector/resource-list.ts'
import { framed, type Visitor } from './frame.ts'
import { type Html, html } from './html.ts'
import { ago, owners, quoted, state, table } from './show.ts'

export interface ResourcesView {
  readonly visitor: Visitor
  readonly query: ListQuery
  readonly listing: Listing
  readonly nowMs: number
}

export function resourcesPage({ visitor, query, listing, nowMs }: ResourcesView): Html {
  const rows = listing.resources.map((row) => [
    html`<a href="resource?id=${row.resourceId}"><code class="id">${row.resourceId}</code></a>`,
    owners(row.owner),
    state(row.state),
    row.reason,
    row.files,
    formatBytes(row.sizeBytes),
    html`${ago(row.createdAt, nowMs)}${row.principal === null ? undefined : html` by ${quoted(row.principal)}`}`,
    row.lastFetchedAt === null ? 'never' : ago(row.lastFetchedAt, nowMs),
  ])
  const columns = [
    { title: 'Id' },
    { title: 'Owner' },
    { title: 'State' },
    { title: 'Why' },
    { title: 'Files', numeric: true },
    { title: 'Size', numeric: true },
    { title: 'Staged' },
    { title: 'Fetched' },
  ] as const
  return framed(
    { title: 'Resources', current: 'resources', visitor },
    html`${filterForm(query)}
${rows.length === 0 ? html`<p class="quiet">Nothing is staged here.</p>` : table(captionOf(query), columns, rows)}
${pages(query, listing)}`,
  )
}

/** Also for who may not look at everything: one namespace may be open to them. */
export function filterForm({ namespace, state: chosen }: Pick<ListQuery, 'namespace' | 'state'>): Html {
  const choices = ['', ...resourceStates].map((name) =>
    name === (chosen ?? '')
      ? html`<option value="${name}" selected>${name === '' ? 'any' : name}</option>`
      : html`<option value="${name}">${name === '' ? 'any' : name}</option>`,
  )
  return html`<form class="row" method="get" action="resources" role="search">
<div><label for="namespace">Namespace</label><input id="namespace" name="namespace" value="${namespace}" maxlength="63" autocomplete="off"></div>
<div><label for="state">State</label><select id="state" name="state">${choices}</select></div>
<button type="submit">Show</button></form>`
}

function captionOf({ namespace, state: chosen }: ListQuery): string {
  const what = chosen === undefined ? 'Resources' : `Resources that are ${chosen}`
  return namespace === undefined ? `${what}, of all namespaces` : `${what}, of the namespace ${namespace}`
}

function pages(query: ListQuery, listing: Listing): Html | undefined {
  if (query.continue === undefined && listing.continue === undefined) return undefined
  return html`<nav class="pages" aria-label="Pages of the table">
${query.continue === undefined ? undefined : html`<a href="${linkTo(query, undefined)}">First page</a>`}
${listing.continue === undefined ? undefined : html`<a href="${linkTo(query, listing.continue)}" rel="next">Next page</a>`}
</nav>`
}

function linkTo(query: ListQuery, position: string | undefined): string {
  const { namespace, state: chosen } = query
  const parameters = Object.entries({ namespace, state: chosen, continue: position })
  const said = parameters.filter((each): each is [string, string] => each[1] !== undefined)
  return `resources?${new URLSearchParams(said)}`
}
