/** The one style sheet: narrow and wide, light and dark, from what the browser says. */

export const style = `:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f4f6f8; --line: #d0d6dd; --text: #1b2026; --quiet: #535d68; --link: #0b57c2;
  --alarm: #a3180c; --alarm-ground: #fdecea; --act: #0b57c2; --act-text: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161b; --raised: #1b2128; --line: #38424d; --text: #e4e8ec; --quiet: #a4aeb9; --link: #85b8ff;
    --alarm: #ffa79e; --alarm-ground: #3a1a18; --act: #2f6fd0; --act-text: #ffffff;
  }
}
* { box-sizing: border-box; }
html { background: var(--ground); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 76rem; padding: 0 1rem 3rem; overflow-wrap: anywhere; }
a { color: var(--link); }
a:focus-visible, button:focus-visible, input:focus-visible, select:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { position: static; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1.5rem; padding: .75rem 0; border-bottom: 1px solid var(--line); }
.name { margin: 0; font-weight: 700; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: 0; padding: 0; list-style: none; }
nav a { display: inline-block; padding: .25rem 0; text-decoration: none; }
nav a[aria-current] { color: var(--text); border-bottom: 2px solid var(--link); }
.who { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem; margin: 0 0 0 auto; color: var(--quiet); font-size: .875rem; }
main:focus { outline: none; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 1.5rem 0 1rem; }
h2 { font-size: 1.125rem; margin: 2rem 0 .5rem; }
p { margin: .5rem 0; max-width: 48rem; }
code { font: .875em/1.4 ui-monospace, monospace; }
dl { margin: .5rem 0; }
dl > div { display: grid; grid-template-columns: 12rem 1fr; gap: 0 1rem; padding: .375rem 0; border-bottom: 1px solid var(--line); }
dt { color: var(--quiet); }
dd { margin: 0; min-width: 0; }
meter { width: 12rem; max-width: 100%; vertical-align: middle; }
table { width: 100%; border-collapse: collapse; margin: .5rem 0 1rem; }
caption { text-align: left; color: var(--quiet); padding: .25rem 0; }
th, td { text-align: left; vertical-align: top; padding: .375rem 1rem .375rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 600; font-size: .875rem; overflow-wrap: normal; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.text { min-width: 7rem; }
.id { white-space: nowrap; }
.state { font-weight: 600; white-space: nowrap; }
.missing, .condemned { color: var(--alarm); }
.uploading, .unused { color: var(--quiet); }
.quiet { color: var(--quiet); }
.notice { background: var(--raised); border-left: 4px solid var(--line); padding: .5rem 1rem; margin: 1rem 0; }
.alarm { background: var(--alarm-ground); border-left-color: var(--alarm); }
.alarm h2 { margin-top: .25rem; color: var(--alarm); }
form { margin: .5rem 0; }
form.row { display: flex; flex-wrap: wrap; align-items: end; gap: .5rem 1rem; }
.who form { margin: 0; }
label { display: block; color: var(--quiet); font-size: .875rem; }
input, select, button { font: inherit; padding: .375rem .75rem; border-radius: .25rem; max-width: 100%; }
input, select { background: var(--ground); color: var(--text); border: 1px solid var(--quiet); }
input[type=password] { width: 32rem; }
button { background: var(--act); color: var(--act-text); border: 1px solid var(--act); cursor: pointer; }
.who button { background: transparent; color: var(--link); border-color: var(--line); padding: .125rem .5rem; }
.pages { display: flex; gap: 1.5rem; }
@media (max-width: 48rem) {
  dl > div { grid-template-columns: 1fr; }
  .who { margin-left: 0; }
  table, caption, tbody, tr, td { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { background: var(--raised); border: 1px solid var(--line); border-radius: .25rem; padding: .5rem .75rem; margin: 0 0 .75rem; }
  tbody td[class] { display: grid; grid-template-columns: 7rem 1fr; min-width: 0; gap: .5rem; padding: .125rem 0; border: 0; text-align: left; white-space: normal; }
  .id { white-space: normal; }
  .dense tr { display: grid; grid-template-columns: 1fr 1fr; gap: 0 1rem; }
  .dense td[class] { grid-template-columns: 5.5rem 1fr; }
  .dense td[class]:first-child, .dense td.text:last-child { grid-column: 1 / -1; }
  td::before { content: attr(data-title); color: var(--quiet); font-size: .875rem; }
}
`
