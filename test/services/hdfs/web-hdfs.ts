/** The few WebHDFS requests that show that a cluster is real: each is what the documentation of Hadoop says, nothing else. */

import { request as httpRequest } from 'node:http'

/** Creates a file in the two steps of the protocol; resolves with the status of the last one. */
export async function create(
  webUrl: string,
  path: string,
  user: string,
  body: string | Buffer,
  parameters: Record<string, string> = {},
): Promise<number> {
  const asked = await request(webUrl, path, 'CREATE', user, { method: 'PUT', overwrite: 'true', ...parameters })
  return asked.status === 307 ? put(asked.headers.get('location')!, body) : asked.status
}

/** A DataNode says `100 Continue` unasked, which `fetch` takes for a broken answer. */
function put(url: string, body: string | Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      url,
      { method: 'PUT', headers: { 'content-type': 'application/octet-stream' } },
      (answer) => {
        answer.resume()
        answer.on('end', () => resolve(answer.statusCode!))
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

export async function open(
  webUrl: string,
  path: string,
  user: string | undefined,
  parameters: Record<string, string> = {},
): Promise<Response> {
  const asked = await request(webUrl, path, 'OPEN', user, parameters)
  return asked.status === 307 ? fetch(asked.headers.get('location')!) : asked
}

/** One request to the NameNode, without following where it points. `user` is believed where there is no security. */
export function request(
  webUrl: string,
  path: string,
  operation: string,
  user: string | undefined,
  { method = 'GET', ...parameters }: Record<string, string> = {},
): Promise<Response> {
  const query = new URLSearchParams({
    op: operation,
    ...(user === undefined ? {} : { 'user.name': user }),
    ...parameters,
  })
  return fetch(`${webUrl}/webhdfs/v1${path.split('/').map(encodeURIComponent).join('/')}?${query}`, {
    method,
    redirect: 'manual',
  })
}
