/** The options of `serve`: the server's settings as flags. A test compares them with what the server knows. */
import type { Option } from './options.ts'

/** How a store in a bucket is asked, by whichever command. */
export const bucketOptions: readonly Option[] = [
  { name: 'store-endpoint', value: 'URL', help: 'where the bucket is; AWS_ENDPOINT_URL_S3, else AWS' },
  { name: 'store-region', value: 'REGION', help: 'the region of the bucket; AWS_REGION, else us-east-1' },
  { name: 'store-path-style', help: 'the bucket is in the path of URLs; else what suits the endpoint' },
  { name: 'store-ca-file', value: 'FILE', help: 'PEM; authorities that the endpoint of the bucket is believed by' },
]

export const serveOptions: readonly Option[] = [
  { name: 'config', value: 'FILE', help: "settings as YAML, or the 2017 server's .properties" },
  { name: 'print-config', help: 'print the effective settings and end' },
  {
    name: 'listen',
    value: 'ADDRESS',
    help: 'host:port; without a host, all addresses; port 0 takes a free one (127.0.0.1:10000)',
  },
  {
    name: 'store',
    value: 'PLACE',
    help: 'where everything is kept: a directory of this server alone, or s3://bucket/prefix',
  },
  ...bucketOptions,
  { name: 'redirect-downloads', help: 'answer reads with an address in the bucket, which pods must reach' },
  { name: 'redirect-ms', value: 'DURATION', help: 'how long such an address is good for' },
  {
    name: 'collector-lease-name',
    value: 'NAME',
    help: 'the Lease by which servers of one bucket take turns to collect',
  },
  { name: 'collector-lease-namespace', value: 'NAME', help: 'its namespace; that of the pod, else default' },
  { name: 'public-url', value: 'URL', help: 'where submitters reach this server' },
  { name: 'pod-url', value: 'URL', help: 'where pods reach it; capability URLs begin with it (--public-url)' },
  {
    name: 'trusted-proxies',
    value: 'BLOCKS',
    help: 'proxies that are believed when they say who asks and under which address, as 10.1.0.0/16,127.0.0.1',
  },
  {
    name: 'accel-redirect',
    value: 'PATH',
    help: 'path under which an nginx among them has the blobs; it then sends the files (X-Accel-Redirect)',
  },
  {
    name: 'kube',
    value: 'MODE',
    help: 'where owners are looked up: auto is the cluster of the pod, else of the kubeconfig; with none, nothing is collected for its owner’s absence (none)',
  },
  { name: 'kubeconfig', value: 'FILE', help: 'this kubeconfig, and not the cluster of the pod' },
  { name: 'context', value: 'NAME', help: 'this context of the kubeconfig, and not its current one' },
  {
    name: 'auth',
    value: 'MODE',
    help: 'who may stage; with none, whoever reaches the port; with kubernetes, whom the cluster knows and allows (none)',
  },
  { name: 'auth-audience', value: 'NAME', help: 'what tokens must be meant for (supercargo)' },
  { name: 'allow-anonymous-v0', help: 'take uploads of the 2017 wire, which carry no token, beside --auth kubernetes' },
  { name: 'allow-anonymous', help: 'needed for --auth none on an address that others can reach' },
  { name: 'tls-cert-file', value: 'FILE', help: 'PEM, the chain; read again when it changes' },
  { name: 'tls-key-file', value: 'FILE', help: 'PEM, the private key' },
  { name: 'tls-client-ca-file', value: 'FILE', help: 'PEM; clients must then show a certificate of it' },
  { name: 'collector-sweep-interval-ms', value: 'DURATION', help: 'between two sweeps' },
  {
    name: 'collector-first-use-timeout-ms',
    value: 'DURATION',
    help: 'a resource that nobody used for this long, and whose owner never appeared, is collected',
  },
  { name: 'collector-absent-grace-ms', value: 'DURATION', help: 'how long an owner must be absent' },
  { name: 'collector-condemned-ms', value: 'DURATION', help: 'how long a condemned resource is still served' },
  {
    name: 'collector-breaker-count',
    value: 'NUMBER',
    help: 'a sweep that would condemn more than this, and more than the fraction, stops',
  },
  { name: 'collector-breaker-fraction', value: 'NUMBER', help: 'share of the bound resources' },
  { name: 'collector-dry-run', help: 'say what would be collected, and keep it' },
  {
    name: 'collector-policies',
    value: 'JSON',
    help: 'exceptions by namespace, kind or resource: releaseAfter, keepLast, minAgeMs, maxAgeMs',
  },
  {
    name: 'webhdfs-max-age-ms',
    value: 'DURATION',
    help: 'how long a file that came by WebHDFS is kept unread when nobody is known to use it (7d)',
  },
  { name: 'limits-file-bytes-max', value: 'SIZE', help: 'the largest file; 0 means no limit' },
  { name: 'limits-resource-bytes-max', value: 'SIZE', help: 'all files of one resource together; 0 means no limit' },
  { name: 'limits-files-per-resource-max', value: 'NUMBER', help: 'files in one resource; 0 means no limit' },
  { name: 'limits-namespace-bytes-max', value: 'SIZE', help: 'bytes stored for one namespace; 0 means no limit' },
  { name: 'limits-store-bytes-max', value: 'SIZE', help: 'bytes stored in all; 0 means no limit but the disk' },
  { name: 'limits-free-bytes-min', value: 'SIZE', help: 'free bytes of the file system that are never given away' },
  {
    name: 'limits-abandoned-ms',
    value: 'DURATION',
    help: 'an upload to which nothing arrives for this long is dropped',
  },
  { name: 'limits-uploads-max', value: 'NUMBER', help: 'uploads whose bytes arrive at one time' },
  { name: 'limits-downloads-max', value: 'NUMBER', help: 'downloads whose bytes leave at one time (1024)' },
  {
    name: 'limits-upload-buffer-bytes-max',
    value: 'SIZE',
    help: 'memory in which the bytes of all uploads wait for the disk (8Mi)',
  },
  {
    name: 'limits-idle-timeout-ms',
    value: 'DURATION',
    help: 'a sender or reader that does nothing for this long is cut off',
  },
  { name: 'limits-bytes-per-second-min', value: 'SIZE', help: 'the slowest average of an upload; 0 means no limit' },
  { name: 'limits-slow-grace-ms', value: 'DURATION', help: 'before this much waiting no average is judged' },
  { name: 'drain-timeout-ms', value: 'DURATION', help: 'after SIGTERM, what is under way may go on for this long' },
  { name: 'log-level', value: 'LEVEL', help: 'trace, debug, info, warn, error, fatal or silent (info)' },
]
