/** Metrics in Prometheus' format: few series, no label that grows with users, resources or namespaces. */
import type { CollectorStatus } from '@supercargo/protocol'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { collectorGauges } from './collector/collector-metrics.ts'

export interface FinishedRequest {
  readonly route: string
  readonly method: string
  readonly status: number
  readonly receivedBytes: number
  readonly sentBytes: number
  readonly durationMs: number
  readonly transfer: 'upload' | 'download' | undefined
  readonly errorCode: string | undefined
}

/** What the scrape asks for at that moment. */
export interface MetricSources {
  usage(): { readonly bytes: number; readonly reservedBytes: number; readonly openUploads: number }
  /** Of requests to what the store stands on, by code. */
  storeFailures?(): ReadonlyMap<string, number>
  activeUploads(): number
  activeDownloads(): number
  /** Undefined where there is no certificate. */
  readonly certificateEndsAtMs?: (() => number | undefined) | undefined
  /** Undefined when the collector does not answer. */
  collector(): Promise<CollectorStatus | undefined>
}

/** What was asked of somebody who wants in. */
export type AuthQuestion = 'secret' | 'capability' | 'token' | 'right' | 'pod'

export interface Metrics {
  requestFinished(request: FinishedRequest): void
  /** From the last byte of an upload to its durability. */
  committed(durationMs: number): void
  /** Bytes were left to an nginx in front to send. */
  handedOff(): void
  /** A reader was sent to the object store. */
  redirected(): void
  /** `unknown`: nobody could say, so it was refused for the time being. */
  decided(question: AuthQuestion, verdict: 'yes' | 'no' | 'unknown'): void
  readonly contentType: string
  render(): Promise<string>
}

const transferSeconds = [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1800]
const commitSeconds = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10]

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const requests = new Counter({
    name: 'supercargo_requests_total',
    help: 'Requests answered, by route pattern, method and class of status.',
    labelNames: ['route', 'method', 'status'],
    registers,
  })
  const received = new Counter({
    name: 'supercargo_received_bytes_total',
    help: 'Bytes received in requests.',
    registers,
  })
  const sent = new Counter({ name: 'supercargo_sent_bytes_total', help: 'Bytes sent in answers.', registers })
  const handedOff = new Counter({
    name: 'supercargo_handed_off_total',
    help: 'Downloads whose bytes were left to an nginx in front; they are in no other metric of downloads.',
    registers,
  })
  const redirected = new Counter({
    name: 'supercargo_redirected_total',
    help: 'Downloads whose readers were sent to the object store; they are in no other metric of downloads.',
    registers,
  })
  const errors = new Counter({
    name: 'supercargo_errors_total',
    help: 'Requests that failed, by error code.',
    labelNames: ['code'],
    registers,
  })
  const uploads = new Histogram({
    name: 'supercargo_upload_seconds',
    help: 'Duration of uploads.',
    buckets: transferSeconds,
    registers,
  })
  const downloads = new Histogram({
    name: 'supercargo_download_seconds',
    help: 'Duration of downloads.',
    buckets: transferSeconds,
    registers,
  })
  const commits = new Histogram({
    name: 'supercargo_commit_seconds',
    help: 'From the last byte of an upload to its durability.',
    buckets: commitSeconds,
    registers,
  })
  const decisions = new Counter({
    name: 'supercargo_auth_decisions_total',
    help: 'Decisions about who may: by what was asked (secret, capability, token, right, pod), and the verdict.',
    labelNames: ['question', 'verdict'],
    registers,
  })
  gauge(registry, 'supercargo_active_uploads', 'Uploads whose bytes are arriving.', sources.activeUploads)
  gauge(registry, 'supercargo_active_downloads', 'Downloads whose bytes are leaving.', sources.activeDownloads)
  gauge(registry, 'supercargo_open_uploads', 'Uploads that are not committed.', () => sources.usage().openUploads)
  gauge(registry, 'supercargo_store_bytes', 'Bytes of blobs in the store.', () => sources.usage().bytes)
  gauge(
    registry,
    'supercargo_store_reserved_bytes',
    'Bytes promised to open uploads.',
    () => sources.usage().reservedBytes,
  )
  const { certificateEndsAtMs } = sources
  if (certificateEndsAtMs !== undefined) {
    const help = 'When the certificate that is served ends, in seconds since 1970.'
    gauge(registry, 'supercargo_certificate_end_seconds', help, () => (certificateEndsAtMs() ?? 0) / 1000)
  }
  new Counter({
    name: 'supercargo_store_failures_total',
    help: 'Requests to the object store that failed, each attempt by its code. None for a store on a volume.',
    labelNames: ['code'],
    registers,
    collect() {
      this.reset()
      for (const [code, failures] of sources.storeFailures?.() ?? []) this.inc({ code }, failures)
    },
  })
  gauge(registry, 'process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss())
  gauge(registry, 'process_cpu_seconds_total', 'CPU time, user and system.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  const setCollector = collectorGauges(registry)

  return {
    requestFinished(request) {
      requests.inc({ route: request.route, method: request.method, status: `${Math.floor(request.status / 100)}xx` })
      received.inc(request.receivedBytes)
      sent.inc(request.sentBytes)
      if (request.errorCode !== undefined) errors.inc({ code: request.errorCode })
      if (request.transfer === 'upload') uploads.observe(request.durationMs / 1000)
      if (request.transfer === 'download') downloads.observe(request.durationMs / 1000)
    },
    decided: (question, verdict) => decisions.inc({ question, verdict }),
    handedOff: () => handedOff.inc(),
    redirected: () => redirected.inc(),
    committed: (durationMs) => commits.observe(durationMs / 1000),
    contentType: registry.contentType,
    async render() {
      setCollector(await sources.collector())
      return registry.metrics()
    },
  }
}

function gauge(registry: Registry, name: string, help: string, value: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(value())
    },
  })
}
