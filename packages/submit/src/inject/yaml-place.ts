/** Places in a document: found or made, by path, with an error that names the line when something else is there. */
import { SupercargoError } from '@supercargo/protocol'
import { isAlias, isMap, isScalar, isSeq, type Scalar, YAMLMap, YAMLSeq } from 'yaml'
import { type ManifestDocument, nodeOf } from './manifest.ts'

/** Keys, and positions in lists. */
export type Path = readonly (string | number)[]

/** The mapping at the path, or undefined. Throws `bad-manifest` for anything else there. */
export function mapAt(document: ManifestDocument, path: Path): YAMLMap | undefined {
  const node = at(document, path)
  if (node === undefined || isMap(node)) return node
  throw wrong(document, path, node, 'a mapping')
}

export function seqAt(document: ManifestDocument, path: Path): YAMLSeq | undefined {
  const node = at(document, path)
  if (node === undefined || isSeq(node)) return node
  throw wrong(document, path, node, 'a list')
}

export function scalarAt(document: ManifestDocument, path: Path): Scalar<string> | undefined {
  const node = at(document, path)
  if (node === undefined || isScalar<string>(node)) return node
  throw wrong(document, path, node, 'one value')
}

export function textAt(document: ManifestDocument, path: Path): string | undefined {
  const value = scalarAt(document, path)?.value
  return value === undefined || value === '' ? undefined : value
}

/** The mapping at the path, made with all that leads to it where it is not there. */
export function madeMap(document: ManifestDocument, path: Path): YAMLMap {
  return mapAt(document, path) ?? put(document, path, new YAMLMap())
}

export function madeSeq(document: ManifestDocument, path: Path): YAMLSeq {
  return seqAt(document, path) ?? put(document, path, new YAMLSeq())
}

/** Sets a value; a scalar that is there keeps its place and its comments. */
export function setValue(document: ManifestDocument, path: Path, value: string): void {
  const scalar = scalarAt(document, path)
  if (scalar !== undefined && scalar.value === value) return
  const node = nodeOf(document.yaml!, value) as Scalar<string>
  if (scalar === undefined) {
    put(document, path, node)
    return
  }
  scalar.value = value
  scalar.type = node.type ?? 'PLAIN'
}

/** Removes a value, and what holds nothing else. */
export function removeValue(document: ManifestDocument, path: Path): void {
  for (let length = path.length; length > 0; length--) {
    const parent = at(document, path.slice(0, length - 1))
    if (!isMap(parent)) return
    const child = parent.get(path[length - 1], true)
    const empty = (isMap(child) || isSeq(child)) && child.items.length === 0
    if (length < path.length && !empty) return
    parent.delete(path[length - 1])
  }
}

/** The item of a list of mappings whose `key` has the value. */
export function itemWith(list: YAMLSeq | undefined, key: string, value: string): YAMLMap | undefined {
  return list?.items.filter((item) => isMap(item)).find((item) => item.get(key) === value)
}

/** Puts an item into a list of named mappings: in place of the one of its name, else first or last. */
export function putNamed(
  document: ManifestDocument,
  path: Path,
  item: { readonly name: string },
  position: 'first' | 'last',
): void {
  const list = madeSeq(document, path)
  const node = nodeOf(document.yaml!, item)
  const before = itemWith(list, 'name', item.name)
  if (before !== undefined) list.items[list.items.indexOf(before)] = node
  else if (position === 'last') list.add(node)
  else {
    // What was said above the first item is said about that item.
    const [first] = list.items
    if (list.commentBefore != null && isMap(first) && first.commentBefore == null) {
      first.commentBefore = list.commentBefore
      list.commentBefore = null
    }
    list.items.unshift(node)
  }
  // A list that was written in one line would hide what is put into it.
  list.flow = false
}

/** Removes an item from a list of named mappings, and the list when it was the last. */
export function removeNamed(document: ManifestDocument, path: Path, name: string): void {
  const list = seqAt(document, path)
  const item = itemWith(list, 'name', name)
  if (list === undefined || item === undefined) return
  list.items.splice(list.items.indexOf(item), 1)
  if (list.items.length === 0) removeValue(document, path)
}

export function badPlace(
  { where }: ManifestDocument,
  offset: number | undefined,
  code: string,
  says: string,
  hint: string,
): SupercargoError {
  return new SupercargoError('invalid', code, `${where(offset)}: ${says}`, { hint })
}

function at(document: ManifestDocument, path: Path): unknown {
  let node: unknown = document.yaml!.contents
  for (const [index, key] of path.entries()) {
    if (!isMap(node) && !(isSeq(node) && typeof key === 'number'))
      throw wrong(document, path.slice(0, index), node, 'a mapping')
    const child = node.get(key, true)
    // `key:` without a value is the same as none.
    if (child === undefined || (isScalar(child) && child.value === null)) return undefined
    if (isAlias(child))
      throw badPlace(
        document,
        child.range?.[0],
        'manifest-alias',
        `${path.slice(0, index + 1).join('.')} is an alias, and what is put there would appear in two places`,
        'write it out',
      )
    node = child
  }
  return node
}

function put<T>(document: ManifestDocument, path: Path, node: T): T {
  const [key, parent] = [path.at(-1)!, path.slice(0, -1)]
  const map = madeMap(document, parent)
  map.flow = false
  map.set(key, node)
  return node
}

function wrong(document: ManifestDocument, path: Path, node: unknown, expected: string): SupercargoError {
  const { range } = (node ?? {}) as { range?: readonly number[] | null }
  const place = path.length === 0 ? 'the document' : path.join('.')
  return badPlace(document, range?.[0], 'bad-manifest', `${place} is not ${expected}`, 'see kubectl explain')
}
