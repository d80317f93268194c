/**
 * `npm run bench -- http`: from nginx into a directory, beside curl, and beside aria2c where the way to the server is far and each
 * connection narrow.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startNginx } from './nginx.ts'
import { type Cost, run } from './process-meter.ts'
import { throttlingProxy } from './throttling-proxy.ts'

/** One server with the workload's files, and who fetches them. */
export interface HttpBench {
  readonly contenders: Readonly<Record<string, (target: string) => Promise<Cost>>>
  stop(): Promise<void>
}

const far = { delayMs: 20, bytesPerSecond: 20_000_000 }
/** Smaller sets are not about the width of connections. */
const narrowBytesMin = 512 << 20

/** `program` is the bundled command. */
export async function httpBench(
  program: string,
  scratch: string,
  source: string,
  names: readonly string[],
  bytes: number,
): Promise<HttpBench> {
  const site = join(scratch, 'nginx-http')
  const nginx = await startNginx(site)
  cpSync(source, nginx.directory, { recursive: true })
  const proxy = await throttlingProxy(nginx.url, far)
  const localize = (url: string) => async (target: string) => {
    const plan = join(scratch, 'plan-http.json')
    const items = names.map((name) => ({ uri: `${url}/${name}`, to: name }))
    writeFileSync(plan, JSON.stringify({ version: 1, root: target, items }))
    const log = join(scratch, 'termination.json')
    return await run([process.execPath, program, 'localize', plan, '--quiet', '--termination-log', log])
  }
  const contenders: Record<string, (target: string) => Promise<Cost>> = {
    'near / supercargo localize': localize(nginx.url),
    'near / curl': async (target) => {
      const list = join(scratch, 'curl-http')
      writeFileSync(
        list,
        names.map((name) => `output = "${join(target, name)}"\nurl = "${nginx.url}/${name}"\n`).join(''),
      )
      return await run(['curl', '-sS', '--fail', '--parallel', '--parallel-max', '8', '-K', list])
    },
  }
  if (bytes >= narrowBytesMin) {
    contenders['far and narrow / supercargo localize'] = localize(proxy.url)
    if (spawnSync('aria2c', ['--version']).status === 0)
      contenders['far and narrow / aria2c -x8'] = async (target) => {
        const list = join(scratch, 'aria2-http')
        writeFileSync(list, names.map((name) => `${proxy.url}/${name}\n`).join(''))
        const split = ['-x8', '-s8', '-k1M', '--file-allocation=none']
        return await run(['aria2c', '-q', ...split, '-d', target, '-i', list])
      }
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
      await proxy.stop()
      await nginx.stop()
      rmSync(site, { recursive: true, force: true })
    },
  }
}
