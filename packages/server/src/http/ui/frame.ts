/** What is around every page: the head, the way to the other pages, who is signed in. */
import { type Html, html } from './html.ts'
import { deed } from './show.ts'

export interface Frame {
  readonly title: string
  /** Of the pages in the navigation. */
  readonly current?: 'overview' | 'resources' | 'sweeps'
  readonly visitor: Visitor
}

export interface Visitor {
  /** What forms carry back. */
  readonly key: string
  /** Whether this server asks who visits. */
  readonly asked: boolean
  /** Whether the visit can be ended: it began with a token in our form. */
  readonly signedIn: boolean
  /** Who visits, once the cluster has told. */
  readonly principal: string | undefined
}

const places = [
  ['overview', './', 'Overview'],
  ['resources', 'resources', 'Resources'],
  ['sweeps', 'sweeps', 'Sweeps'],
] as const

/** All links are relative, so that the pages work below any path that a proxy takes away. */
export function framed({ title, current, visitor }: Frame, body: Html): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} – Supercargo</title>
<link rel="stylesheet" href="style.css">
</head>
<body>
<a class="skip" href="#content">To the content</a>
<header>
<p class="name">Supercargo</p>
<nav aria-label="Pages"><ul>
${places.map(([name, link, words]) =>
  name === current
    ? html`<li><a href="${link}" aria-current="page">${words}</a></li>
`
    : html`<li><a href="${link}">${words}</a></li>
`,
)}</ul></nav>
${who(visitor)}
</header>
<main id="content" tabindex="-1">
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`
}

function who({ key, asked, signedIn, principal }: Visitor): Html {
  if (!asked) return html`<p class="who">Nobody is asked who they are here.</p>`
  const name = principal === undefined ? undefined : html`<bdi>${principal}</bdi>`
  return html`<div class="who">${name}${signedIn ? deed('sign-out', key, 'Sign out') : undefined}</div>`
}
