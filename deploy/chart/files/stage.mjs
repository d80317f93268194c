/** Stages a file that belongs to this pod, and writes the plan by which the next container localizes it. */
import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'

const { POD_NAME, POD_UID, SUPERCARGO_SERVER: url, SUPERCARGO_NAMESPACE: namespace } = process.env
const caFile = '/tls/ca.crt'
const trust = existsSync(caFile) ? { caFile } : {}
const secretFile = '/cargo/secret'

writeFileSync('/cargo/hello.txt', `the cargo of ${POD_UID}\n`)
const command = [
  '/opt/supercargo/supercargo.mjs',
  ...['stage', '/cargo/hello.txt', '--namespace', namespace, '--owner', `Pod/${POD_NAME}`],
  ...['--secret-file', secretFile, '--json', ...(existsSync(caFile) ? ['--ca-file', caFile] : [])],
]
const { resourceId } = JSON.parse(execFileSync(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] }))
const plan = {
  version: 1,
  root: '/cargo/localized',
  staging: { url, ...trust },
  items: [{ resource: resourceId, secretFile, to: '.' }],
}
writeFileSync('/cargo/plan.json', JSON.stringify(plan))
console.log(`staged ${resourceId} at ${url}`)
