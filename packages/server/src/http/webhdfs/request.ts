/** A request of a Hadoop client, read: its operation, its parameters, and the path with the namespace and the token in it. */
import { namespaceSchema, printable, routes, Secret, SupercargoError, stagingTokenPattern } from '@supercargo/protocol'
import type { NamePlace } from '../../store/name-tree.ts'
import type { StagingToken } from '../../tokens/staging-tokens.ts'
import { secretFits } from '../authorize.ts'
import type { FrontDoor } from './front-door.ts'

export interface HadoopRequest {
  /** In capitals. */
  readonly operation: string
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>
  /** The names of the path, decoded, without the prefix. */
  readonly names: readonly string[]
}

/** A place that the client may use. */
export interface OpenPlace extends NamePlace {
  /** Undefined where no token was needed. */
  readonly token: StagingToken | undefined
}

/** All that is uploaded without a token, in each namespace. No token has a name of this length. */
const anonymousTree = 'anonymous'
/** A token that lost or won a letter on its way must not become the name of a directory. */
const almostToken = /^[0-9a-z]{12}\.[A-Za-z0-9_-]{20,}$/

export function readHadoopRequest(url: string): HadoopRequest {
  const [path = '', query = ''] = url.split(/\?(.*)/s, 2)
  const parameters = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(query)) parameters.set(name.toLowerCase(), value)
  return {
    operation: (parameters.get('op') ?? '').toUpperCase(),
    parameters,
    names: splitNames(path.slice(routes.webhdfs.length), decodeName),
  }
}

/** The names of a path in a parameter, which is decoded already. */
export function namesOfPath(path: string): readonly string[] {
  return splitNames(path, (name) => name)
}

/**
 * From names to a place of a tree, or kind `denied`. `/<namespace>/<token>/…` is the token's tree; without a token it is the
 * anonymous one, where that is allowed. Undefined above the trees: those directories exist, and that is all one learns. What
 * comes behind the namespace may be a mistyped token, so no message repeats it.
 */
export async function placeOf(
  door: FrontDoor,
  names: readonly string[],
  purpose: 'read' | 'write',
  nowMs: number,
): Promise<OpenPlace | undefined> {
  const [namespace, second] = names
  if (namespace === undefined) return undefined
  if (!namespaceSchema.safeParse(namespace).success) {
    throw new SupercargoError('invalid', 'bad-namespace', 'the path does not begin with a namespace', {
      hint: `write ${pathShape(door)}`,
    })
  }
  const presented = stagingTokenPattern.exec(second ?? '')
  if (presented === null && !almostToken.test(second ?? '')) {
    if (door.anonymous) return { namespace, tree: anonymousTree, path: joined(names.slice(1)), token: undefined }
    if (second === undefined) return undefined
    throw new SupercargoError('denied', 'token-missing', `the path has no staging token behind /${namespace}`, {
      hint: `write ${pathShape(door)}; "supercargo token create -n ${namespace}" prints it`,
    })
  }
  const [, name = '', secret = ''] = presented ?? []
  const token = await door.tokens.read(name)
  if (!secretFits(new Secret(secret), token?.hash) || token?.namespace !== namespace) {
    throw new SupercargoError(
      'denied',
      'token-denied',
      `the token in the path is not, or no longer, one of namespace ${namespace}`,
      { hint: `"supercargo token create -n ${namespace}" prints a path with a new one` },
    )
  }
  if (purpose === 'write' && token.expiresAtMs !== null && token.expiresAtMs <= nowMs) {
    throw new SupercargoError(
      'denied',
      'token-expired',
      `the token ${name} ended at ${new Date(token.expiresAtMs).toISOString()}: its files can be read, and nothing can be added`,
      { hint: `"supercargo token create -n ${namespace}" prints a path with a new one` },
    )
  }
  return { namespace, tree: name, path: joined(names.slice(2)), token }
}

/** The place, where the top directories are none. */
export function expectPlace(place: OpenPlace | undefined, door: FrontDoor): OpenPlace {
  if (place !== undefined) return place
  throw new SupercargoError('denied', 'above-the-trees', 'here nothing can be listed or changed', {
    hint: `write ${pathShape(door)}/…`,
  })
}

function pathShape({ anonymous }: FrontDoor): string {
  return anonymous ? '/<namespace>/…' : '/<namespace>/<token>'
}

function joined(names: readonly string[]): string {
  return names.join('/')
}

function splitNames(path: string, decode: (name: string) => string): readonly string[] {
  const names = path.replace(/^\/+|\/+$/g, '')
  return names === '' ? [] : names.split('/').map(decode)
}

function decodeName(encoded: string): string {
  let name: string
  try {
    name = decodeURIComponent(encoded)
  } catch (error) {
    throw new SupercargoError('invalid', 'bad-url', 'the path is not well-formed: a "%" stands before no hexadecimal', {
      cause: error,
    })
  }
  if (name.includes('/')) throw new SupercargoError('unsafe', 'path-escape', 'a name in the path holds a "/"')
  return name
}

/** A whole number of a parameter, or `otherwise` when it is absent. */
export function wholeNumber({ parameters }: HadoopRequest, name: string, otherwise: number): number {
  const text = parameters.get(name)
  if (text === undefined || text === '' || text === 'null') return otherwise
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(value)) return value
  throw new SupercargoError('invalid', 'bad-parameter', `${name}=${printable(text)} is not a whole number`)
}

export function isTrue({ parameters }: HadoopRequest, name: string, otherwise = false): boolean {
  const text = parameters.get(name)
  return text === undefined || text === '' ? otherwise : text.toLowerCase() === 'true'
}
