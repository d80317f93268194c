/** Routes, header names and media types of the staging server, one place for both sides. */

export const routes = {
  v0: {
    resources: '/api/v0/resources',
    resource: (id: string) => `/api/v0/resources/${encodeURIComponent(id)}`,
    ping: '/api/v0/ping',
  },
  v1: {
    resources: '/api/v1/resources',
    resource: (id: string) => `/api/v1/resources/${encodeURIComponent(id)}`,
    blobs: (id: string) => `/api/v1/resources/${encodeURIComponent(id)}/blobs`,
    blob: (id: string, digest: string) => `/api/v1/resources/${encodeURIComponent(id)}/blobs/${digest}`,
    commit: (id: string) => `/api/v1/resources/${encodeURIComponent(id)}/commit`,
    file: (id: string, path: string) => `/api/v1/resources/${encodeURIComponent(id)}/files/${encodePath(path)}`,
    capabilities: (id: string) => `/api/v1/resources/${encodeURIComponent(id)}/capabilities`,
    capability: (id: string, name: string) =>
      `/api/v1/resources/${encodeURIComponent(id)}/capabilities/${encodeURIComponent(name)}`,
    collector: '/api/v1/collector',
    collectorRelease: '/api/v1/collector/release',
    tokens: '/api/v1/tokens',
    token: (name: string) => `/api/v1/tokens/${encodeURIComponent(name)}`,
    openapi: '/api/v1/openapi.json',
  },
  capability: (capability: string, path: string) => `/c/${encodeURIComponent(capability)}/${encodePath(path)}`,
  /** What every path of a Hadoop client begins with. */
  webhdfs: '/webhdfs/v1',
  live: '/livez',
  ready: '/readyz',
  metrics: '/metrics',
  /** The admin page; everything of it is below. */
  ui: '/ui',
} as const

/** Percent-encodes each part of a path and keeps the slashes. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}

export const mediaTypes = {
  json: 'application/json',
  problem: 'application/problem+json',
  tar: 'application/x-tar',
  bytes: 'application/octet-stream',
  multipart: 'multipart/form-data',
  /** Bytes of a resumable upload (IETF draft-ietf-httpbis-resumable-upload). */
  partialUpload: 'application/partial-upload',
} as const

/** In lower case, as Node gives them. */
export const headers = {
  requestId: 'x-request-id',
  uploadOffset: 'upload-offset',
  uploadComplete: 'upload-complete',
  uploadLength: 'upload-length',
  reprDigest: 'repr-digest',
} as const

/** Files up to this size travel in a bundle; larger ones by a transfer of their own that can resume. */
export const bundledFileBytesMax = 4 * 2 ** 20

export const defaultPort = 10_000
export const defaultServer = `http://127.0.0.1:${defaultPort}`
