/** The ways to expose and to keep for which the chart has a golden file each: what an admin would set. */

export const exposures: Readonly<Record<string, object>> = {
  'node-port': {
    service: { type: 'NodePort', nodePort: 31000, externalTrafficPolicy: 'Local' },
    publicUrl: 'http://node.example.org:31000',
  },
  ingress: {
    ingress: {
      enabled: true,
      host: 'example.org',
      path: '/cargo',
      tls: true,
      annotations: { 'cert-manager.io/cluster-issuer': 'letters' },
    },
    networkPolicy: {
      enabled: true,
      from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress-nginx' } } }],
      egress: [{ ports: [{ port: 443 }] }],
    },
  },
  gateway: {
    httpRoute: {
      enabled: true,
      hostnames: ['cargo.example.org'],
      path: '/cargo',
      parentRefs: [{ name: 'public', namespace: 'gateways' }],
    },
  },
  'tls-given': { tls: { secretName: 'cargo-tls' }, ingress: { enabled: true, host: 'cargo.example.org' } },
  'tls-issued': {
    tls: { issuerRef: { name: 'cluster', kind: 'ClusterIssuer' }, dnsNames: ['cargo.example.org'] },
    monitoring: { serviceMonitor: { enabled: true, labels: { release: 'prometheus' } } },
  },
  'object-store': {
    replicas: 2,
    store: { url: 's3://cargo/staging' },
    envFrom: [{ secretRef: { name: 'bucket-keys' } }],
    serviceAccount: { annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::123456789012:role/cargo' } },
    config: {
      limits: { namespaceBytesMax: '50Gi', uploadsMax: 32 },
      collector: { breakerFraction: 0.25, dryRun: true },
    },
    extraArgs: ['--collector-breaker-count=40'],
  },
  open: {
    auth: 'none',
    allowAnonymous: true,
    lookUpOwners: false,
    store: { volume: { existingClaim: 'cargo', whenUninstalled: 'delete' } },
    podSecurityContext: { runAsUser: null, runAsGroup: null, fsGroup: null },
    monitoring: { rules: { enabled: true }, dashboard: { enabled: true } },
  },
}

/** With the rights, which the others have like the base. */
export const namespaced: object = { rbac: { namespaces: ['spark', 'etl'], people: false } }
