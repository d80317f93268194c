/** What a visitor is shown instead of a page: the form for a token, or why it cannot be. */
import type { Problem } from '@supercargo/protocol'
import { framed, type Visitor } from './frame.ts'
import { type Html, html } from './html.ts'
import { filterForm } from './resources-page.ts'

/** `audience` is what tokens must be meant for; `problem` is why the one before was not taken. */
export function signInPage(visitor: Visitor, audience: string, problem: Problem | undefined): Html {
  return framed(
    { title: 'Sign in', visitor },
    html`${problem === undefined ? undefined : html`<p class="notice alarm" role="alert">${problem.detail}</p>`}
<p>This server asks the cluster who visits. Show a token of an account that may look:</p>
<p><code>kubectl create token SERVICE_ACCOUNT --audience ${audience}</code></p>
<form method="post" action="sign-in">
<input type="hidden" name="key" value="${visitor.key}">
<p><label for="token">Token</label>
<input id="token" type="password" name="token" required autocomplete="off" spellcheck="false"></p>
<button type="submit">Sign in</button>
</form>
<p class="quiet">The server keeps it in memory for half an hour at most, and asks the cluster again at each page.</p>`,
  )
}

/** `missing` says that the visitor lacks a right: they may have it in one namespace. */
export function refusalPage(visitor: Visitor, problem: Problem): Html {
  return framed(
    { title: problem.title, visitor },
    html`<div class="notice alarm" role="alert"><p>${problem.detail}</p></div>
${problem.hint === undefined ? undefined : html`<p>${problem.hint}</p>`}
${problem.code === 'access-refused' ? html`<h2>One namespace</h2><p>Who may not look at all may still look at one.</p>${filterForm({})}` : undefined}
<p class="quiet">Code <code>${problem.code}</code>, request <code>${problem.requestId}</code></p>`,
  )
}
