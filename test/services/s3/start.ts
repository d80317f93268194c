/** Starts versitygw over a folder of the instance, with credentials of its own. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Site } from '../site.ts'
import type { S3Assets } from './provision.ts'

/** What every S3 service tells its users. Requests are path-style. */
export interface S3Details extends Record<string, string> {
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

const readyTimeoutMs = 180_000

export async function startS3(site: Site, assets: S3Assets): Promise<S3Details> {
  const port = await site.port('http')
  const credentials = newCredentials()
  const [data, sidecar, accounts] = [site.folder('data'), site.folder('sidecar'), site.folder('iam')]
  // Without accounts an unknown key gets an answer that no other S3 gives; without keep-alive every request is a connection.
  const argv = [
    assets.program,
    '--port',
    `${site.address}:${port}`,
    '--keep-alive',
    '--iam-dir',
    accounts,
    'posix',
    '--sidecar',
    sidecar,
    data,
  ]
  const env = { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey }
  const endpoint = `http://${site.address}:${port}`
  const server = await site.spawn({ name: 'versitygw', argv, env, cwd: join(site.directory), graceMs: 2000 })
  await server.ready(async (signal) => (await fetch(endpoint, { signal })).status === 403, readyTimeoutMs)
  return { endpoint, region: 'us-east-1', ...credentials }
}

export function newCredentials(): { accessKeyId: string; secretAccessKey: string } {
  return {
    accessKeyId: `TEST${randomBytes(8).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(20).toString('hex'),
  }
}

export function s3Exports(details: S3Details): Record<string, string> {
  return {
    AWS_ENDPOINT_URL_S3: details.endpoint,
    AWS_REGION: details.region,
    AWS_ACCESS_KEY_ID: details.accessKeyId,
    AWS_SECRET_ACCESS_KEY: details.secretAccessKey,
  }
}
