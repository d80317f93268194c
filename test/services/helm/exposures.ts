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
    config: { trustedProxies: ['10.244.0.0/16', '192.168.7.1'] },
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
      collector: { breakerFraction: 0.25, dryRun: true, policies: [{ namespace: 'etl', keepLast: 2 }] },
    },
    extraArgs: ['--collector-breaker-count=40'],
  },
  sidecar: {
    config: { trustedProxies: ['127.0.0.1'], accelRedirect: '/supercargo-blobs' },
    service: { targetPort: 'nginx' },
    sidecars: [
      {
        name: 'nginx',
        image: 'nginx:1.29',
        args: ['-c', '/etc/nginx/sidecar.conf', '-g', 'daemon off;'],
        ports: [{ name: 'nginx', containerPort: 8080 }],
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
        volumeMounts: [
          { name: 'store', mountPath: '/store', readOnly: true },
          { name: 'nginx', mountPath: '/etc/nginx/sidecar.conf', subPath: 'sidecar.conf' },
          { name: 'scratch', mountPath: '/tmp' },
        ],
      },
    ],
    volumes: [
      { name: 'nginx', configMap: { name: 'cargo-nginx' } },
      { name: 'scratch', emptyDir: {} },
    ],
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
