/** `npm run bench -- s3`: from an S3 store into a directory, beside what else reads from one, where it is installed. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, openSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startInstance } from '../services/run.ts'
import { signedFetch } from '../services/s3/signed-request.ts'
import type { S3Details } from '../services/s3/start.ts'
import { stopSite } from '../services/site.ts'
import { type Cost, run } from './process-meter.ts'

/** One bucket with the workload's files, and who fetches them. */
export interface S3Bench {
  readonly contenders: Readonly<Record<string, (target: string) => Promise<Cost>>>
  stop(): Promise<void>
}

const partBytes = 64 << 20

/** `program` is the bundled command. */
export async function s3Bench(
  program: string,
  scratch: string,
  source: string,
  names: readonly string[],
): Promise<S3Bench> {
  const site = join(scratch, 'versitygw')
  const say = (line: string): void => void process.stderr.write(`${line}\n`)
  const { details } = await startInstance('s3', site, { say, signal: AbortSignal.timeout(600_000) })
  const bucket = 'bench'
  await ask(details, { method: 'PUT', path: `/${bucket}` })
  for (const name of names) await upload(details, `/${bucket}/${name}`, join(source, name))
  const env = {
    AWS_ACCESS_KEY_ID: details.accessKeyId,
    AWS_SECRET_ACCESS_KEY: details.secretAccessKey,
    AWS_REGION: details.region,
    AWS_EC2_METADATA_DISABLED: 'true',
  }
  const contenders: Record<string, (target: string) => Promise<Cost>> = {
    'fetch / supercargo localize': async (target) => {
      const plan = join(scratch, 'plan-s3.json')
      const properties = { 'fs.s3a.endpoint': details.endpoint }
      const items = [{ uri: `s3a://${bucket}/`, to: '.' }]
      writeFileSync(plan, JSON.stringify({ version: 1, root: target, items, hadoop: { properties } }))
      const log = join(scratch, 'termination.json')
      return await run([process.execPath, program, 'localize', plan, '--quiet', '--termination-log', log], { env })
    },
  }
  if (installed('s5cmd', 'version'))
    contenders['fetch / s5cmd'] = (target) => {
      const options = ['--log', 'error', '--endpoint-url', details.endpoint]
      return run(['s5cmd', ...options, 'cp', `s3://${bucket}/*`, `${target}/`], { env })
    }
  if (installed('aws', '--version'))
    contenders['fetch / aws s3 cp'] = (target) => {
      const options = ['--recursive', '--quiet', '--endpoint-url', details.endpoint]
      return run(['aws', 's3', 'cp', ...options, `s3://${bucket}/`, target], { env })
    }
  const prepared = Object.entries(contenders).map(([name, contender]) => {
    const fetch = async (target: string): Promise<Cost> => {
      mkdirSync(target, { recursive: true })
      return await contender(target)
    }
    return [name, fetch] as const
  })
  return {
    contenders: Object.fromEntries(prepared),
    stop: async () => {
      await stopSite(site)
      rmSync(site, { recursive: true, force: true })
    },
  }
}

function installed(program: string, question: string): boolean {
  return spawnSync(program, [question]).status === 0
}

async function ask(details: S3Details, request: Parameters<typeof signedFetch>[1]): Promise<Response> {
  const answer = await signedFetch(details, request)
  if (!answer.ok) throw new Error(`${request.method} ${request.path}: ${answer.status} ${await answer.text()}`)
  return answer
}

async function upload(details: S3Details, path: string, file: string): Promise<void> {
  const sizeBytes = statSync(file).size
  const fd = openSync(file, 'r')
  const block = (position: number): Buffer => {
    const buffer = Buffer.allocUnsafe(Math.min(partBytes, sizeBytes - position))
    readSync(fd, buffer, 0, buffer.length, position)
    return buffer
  }
  if (sizeBytes <= partBytes) {
    await ask(details, { method: 'PUT', path, body: block(0) })
    return
  }
  const begun = await ask(details, { method: 'POST', path, query: { uploads: '' } })
  const uploadId = /<UploadId>([^<]+)/.exec(await begun.text())![1]!
  let list = ''
  for (let position = 0, number = 1; position < sizeBytes; position += partBytes, number++) {
    const query = { partNumber: String(number), uploadId }
    const { headers } = await ask(details, { method: 'PUT', path, query, body: block(position) })
    list += `<Part><ETag>${headers.get('etag')}</ETag><PartNumber>${number}</PartNumber></Part>`
  }
  const body = Buffer.from(`<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`)
  await ask(details, { method: 'POST', path, query: { uploadId }, body })
}
