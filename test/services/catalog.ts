/** Every real service by its name. */
import { missingChromium, provisionChromium } from './chromium/provision.ts'
import { startChromium } from './chromium/start.ts'
import { hadoopVersion, missingHadoop, provisionHadoop } from './hdfs/provision.ts'
import { hdfsExports, startHdfs } from './hdfs/start.ts'
import { missingHdfsHa, provisionHdfsHa } from './hdfs-ha/provision.ts'
import { startHdfsHa } from './hdfs-ha/start.ts'
import { missingHdfsKerberos, provisionHdfsKerberos } from './hdfs-kerberos/provision.ts'
import { startHdfsKerberos } from './hdfs-kerberos/start.ts'
import { helmVersion, missingHelm, provisionHelm } from './helm/provision.ts'
import { startHelm } from './helm/start.ts'
import { kubernetesVersion, missingKubernetes, provisionKubernetes } from './kubernetes/provision.ts'
import { startKubernetes } from './kubernetes/start.ts'
import { coreDnsVersion, missingKubernetesNode, provisionKubernetesNode } from './kubernetes-node/provision.ts'
import { startKubernetesNode } from './kubernetes-node/start.ts'
import { missingNginx, provisionNginx } from './nginx/provision.ts'
import { startNginx } from './nginx/start.ts'
import { missingS3, provisionS3, versitygwVersion } from './s3/provision.ts'
import { s3Exports, startS3 } from './s3/start.ts'
import { missingS3Ceph, provisionS3Ceph } from './s3-ceph/provision.ts'
import { startS3Ceph } from './s3-ceph/start.ts'
import { defineService, type Service } from './service.ts'
import { missingSpark, pinnedVersion, provisionSpark } from './spark/provision.ts'
import { startSpark } from './spark/start.ts'
import { missingSparkCluster, provisionSparkCluster } from './spark-cluster/provision.ts'
import { startSparkCluster } from './spark-cluster/start.ts'
import { operatorVersion } from './spark-operator/provision.ts'

export const catalog = {
  nginx: defineService({
    name: 'nginx',
    summary: 'nginx with DAV, plain and with TLS',
    versions: 'nginx of this machine or of its Debian release',
    missing: missingNginx,
    provision: provisionNginx,
    start: startNginx,
    exports: (details) => ({
      NGINX_URL: details.url,
      NGINX_SECURE_URL: details.secureUrl,
      NGINX_CA_FILE: details.caFile,
    }),
  }),
  chromium: defineService({
    name: 'chromium',
    summary: 'a browser without a window',
    versions: 'Chromium of this Debian release',
    missing: missingChromium,
    provision: provisionChromium,
    start: startChromium,
    exports: (details) => ({ CHROMIUM_DEBUGGING_URL: details.url }),
  }),
  kubernetes: defineService({
    name: 'kubernetes',
    summary: 'a control plane of Kubernetes without nodes',
    versions: `Kubernetes ${kubernetesVersion}`,
    missing: missingKubernetes,
    provision: provisionKubernetes,
    start: startKubernetes,
    exports: (details) => ({ KUBECONFIG: details.kubeconfig, KUBEBUILDER_ASSETS: details.binDirectory }),
  }),
  'kubernetes-node': defineService({
    name: 'kubernetes-node',
    summary: 'a cluster of one node in which pods run',
    versions: `Kubernetes ${kubernetesVersion}, containerd of this Debian release, CoreDNS ${coreDnsVersion}`,
    missing: missingKubernetesNode,
    provision: provisionKubernetesNode,
    start: startKubernetesNode,
    exports: (details) => ({ KUBECONFIG: details.kubeconfig, SUPERCARGO_TEST_HOST_ADDRESS: details.hostAddress }),
  }),
  helm: defineService({
    name: 'helm',
    summary: 'Helm, the program',
    versions: `Helm ${helmVersion}`,
    missing: missingHelm,
    provision: provisionHelm,
    start: startHelm,
    exports: (details) => ({ HELM: details.program }),
  }),
  s3: defineService({
    name: 's3',
    summary: 'S3 by versitygw',
    versions: `versitygw ${versitygwVersion}`,
    missing: missingS3,
    provision: provisionS3,
    start: startS3,
    exports: s3Exports,
  }),
  's3-ceph': defineService({
    name: 's3-ceph',
    summary: "S3 by Ceph's gateway",
    versions: 'Ceph of this Debian release',
    missing: missingS3Ceph,
    provision: provisionS3Ceph,
    start: startS3Ceph,
    exports: s3Exports,
  }),
  hdfs: defineService({
    name: 'hdfs',
    summary: 'a NameNode and a DataNode without security',
    versions: `Hadoop ${hadoopVersion}`,
    missing: missingHadoop,
    provision: provisionHadoop,
    start: startHdfs,
    exports: hdfsExports,
  }),
  'hdfs-ha': defineService({
    name: 'hdfs-ha',
    summary: 'two NameNodes, one active, with a JournalNode and a DataNode',
    versions: `Hadoop ${hadoopVersion}`,
    missing: missingHdfsHa,
    provision: provisionHdfsHa,
    start: startHdfsHa,
    exports: hdfsExports,
  }),
  'hdfs-kerberos': defineService({
    name: 'hdfs-kerberos',
    summary: 'a NameNode and a DataNode with Kerberos',
    versions: `Hadoop ${hadoopVersion}, Kerberos of this Debian release`,
    missing: missingHdfsKerberos,
    provision: provisionHdfsKerberos,
    start: startHdfsKerberos,
    exports: (details) => ({
      ...hdfsExports(details),
      KRB5_CONFIG: details.kerberosConfiguration,
      KRB5CCNAME: details.ticketCache,
    }),
  }),
  spark: defineService({
    name: 'spark',
    summary: 'Spark 4 and Spark 3.5 with an application for each',
    versions: `Spark ${pinnedVersion('4')} and ${pinnedVersion('3')}`,
    missing: missingSpark,
    provision: provisionSpark,
    start: startSpark,
    exports: (details) => ({ SPARK_HOME: details.home4, JAVA_HOME: details.javaHome }),
  }),
  'spark-cluster': defineService({
    name: 'spark-cluster',
    summary: 'a cluster of one node with images of both Sparks, and the operator of Kubeflow',
    versions: `Kubernetes ${kubernetesVersion}, Spark ${pinnedVersion('4')} and ${pinnedVersion('3')}, spark-operator ${operatorVersion}`,
    missing: missingSparkCluster,
    provision: provisionSparkCluster,
    start: startSparkCluster,
    exports: (details) => ({
      KUBECONFIG: details.kubeconfig,
      SPARK_HOME: details.home4,
      JAVA_HOME: details.javaHome,
      SPARK_IMAGE: details.image4,
      SUPERCARGO_TEST_HOST_ADDRESS: details.hostAddress,
    }),
  }),
} as const

export type ServiceName = keyof typeof catalog
export type ServiceDetails<N extends ServiceName> = Awaited<ReturnType<(typeof catalog)[N]['start']>>

export const serviceNames = Object.keys(catalog) as ServiceName[]

export function serviceNamed(name: ServiceName): Service {
  return catalog[name] as Service
}
