/**
 * Modules of Node that not every program needs, each loaded when it is first asked for. They are not imported: an import evaluates
 * all exports of a module, and one of `node:http`'s (WebSocket) is a second HTTP client. Measured with Node 24: 38 ms of CPU
 * and 13 MiB for that one, 15 ms and 5 MiB for `node:https`.
 */

export function nodeHttp(): typeof import('node:http') {
  return process.getBuiltinModule('node:http')
}

export function nodeHttps(): typeof import('node:https') {
  return process.getBuiltinModule('node:https')
}

export function nodeTls(): typeof import('node:tls') {
  return process.getBuiltinModule('node:tls')
}

export function nodeThreads(): typeof import('node:worker_threads') {
  return process.getBuiltinModule('node:worker_threads')
}

export function nodeV8(): typeof import('node:v8') {
  return process.getBuiltinModule('node:v8')
}

export function nodeVm(): typeof import('node:vm') {
  return process.getBuiltinModule('node:vm')
}
