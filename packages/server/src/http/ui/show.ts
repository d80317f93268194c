/** How the pages show what they are told: instants, sizes, owners, states, tables, facts, forms. */
import { describeOwner, formatBytes, formatDuration, type Owner } from '@supercargo/protocol'
import { type Html, type HtmlPart, html } from './html.ts'

export interface Column {
  readonly title: string
  readonly numeric?: true
}

/** Somebody else's words, whose direction of writing stays their own. */
export function quoted(text: string): Html {
  return html`<bdi>${text}</bdi>`
}

export function ago(instant: string | number, nowMs: number): Html {
  const at = new Date(instant)
  const ms = nowMs - at.getTime()
  const words = ms < 1000 ? 'now' : `${formatDuration(Math.floor(ms / 1000) * 1000)} ago`
  return html`<time datetime="${at.toISOString()}" title="${at.toISOString()}">${words}</time>`
}

export function owners(owners: readonly Owner[]): Html {
  return html`${owners.map((owner) => html`<div>${quoted(describeOwner(owner))}</div>`)}`
}

export function state(name: string): Html {
  return html`<span class="state ${name}">${name}</span>`
}

/** On a narrow screen each row becomes a card whose cells bear the titles; the roles keep it a table for those who hear it. */
export function table(caption: string, columns: readonly Column[], rows: readonly (readonly HtmlPart[])[]): Html {
  // Of many short numbers two stand side by side.
  const shape = columns.filter(({ numeric }) => numeric).length > 3 ? 'dense' : 'plain'
  const classOf = (column: Column | undefined) => (column?.numeric === true ? 'number' : 'text')
  return html`<table role="table" class="${shape}">
<caption>${caption}</caption>
<thead role="rowgroup"><tr role="row">${columns.map((column) => html`<th role="columnheader" scope="col" class="${classOf(column)}">${column.title}</th>`)}</tr></thead>
<tbody role="rowgroup">
${rows.map(
  (row) => html`<tr role="row">${row.map(
    (cell, position) =>
      html`<td role="cell" class="${classOf(columns[position])}" data-title="${columns[position]?.title}"><div>${cell}</div></td>`,
  )}</tr>
`,
)}</tbody></table>`
}

export function facts(rows: readonly (readonly [string, HtmlPart])[]): Html {
  return html`<dl>${rows.map(
    ([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>
`,
  )}</dl>`
}

/** How much of a limit is used; a limit of 0 is none. */
export function share(bytes: number, bytesMax: number): Html {
  if (bytesMax === 0) return html`${formatBytes(bytes)}, no limit`
  const percent = Math.round((bytes / bytesMax) * 100)
  return html`${formatBytes(bytes)} of ${formatBytes(bytesMax)} (${percent} %)
<meter min="0" max="${bytesMax}" high="${bytesMax * 0.9}" value="${bytes}" aria-hidden="true"></meter>`
}

/** A button that does something; `key` proves that the form is one of our pages. */
export function deed(action: string, key: string, button: string, fields: HtmlPart = undefined): Html {
  return html`<form method="post" action="${action}">
<input type="hidden" name="key" value="${key}">${fields}
<button type="submit">${button}</button></form>`
}
