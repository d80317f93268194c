/** The proxies of an environment, as a client asks for them: HTTP(S)_PROXY and NO_PROXY, and never for what is inside the cluster. */
import { type Environment, hostOf, proxyFromEnvironment, SupercargoError } from '@supercargo/protocol'

/** The proxy on the way to a URL, or undefined for the direct way. */
export type ProxyFor = (url: URL) => URL | undefined

/** Names that only a cluster's own DNS knows: no proxy outside could find them. */
const clusterName = /\.(svc|cluster\.local)\.?$/i

export function proxiesOf(environment: Environment): ProxyFor {
  return (url) => {
    if (clusterName.test(hostOf(url))) return undefined
    const proxy = proxyFromEnvironment(url, environment)
    if (proxy === undefined || proxy.protocol === 'http:' || proxy.protocol === 'https:') return proxy
    throw new SupercargoError(
      'invalid',
      'bad-proxy',
      `the proxy of the environment for ${url.host} is ${proxy.protocol}//, and only http and https proxies are used here`,
      { hint: 'set HTTPS_PROXY and HTTP_PROXY to an http:// address, or name the host in NO_PROXY' },
    )
  }
}
