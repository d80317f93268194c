/** Submission: arguments → plan → stage → steps → apply → watch. */
export { type Application, roleLabel, selectorLabel, submissionLabel } from './application.ts'
export {
  type DriverRow,
  describeDriver,
  describeExecutors,
  driverContainer,
  findDriver,
  findDrivers,
  killDriver,
  listDrivers,
  readDriverName,
} from './applications.ts'
export { type Applied, apply, gateName } from './apply.ts'
export { type ArgumentOption, readSubmitArguments, type SubmitArguments, sparkOptions } from './arguments.ts'
export { connectCluster } from './cluster.ts'
export { type ClusterCall, withCluster } from './cluster-call.ts'
export { Configuration, readConfiguration } from './configuration.ts'
export type { DependencyEntry } from './dependency.ts'
export { type DoctorRequest, examine } from './doctor.ts'
export { copyLog } from './driver-log.ts'
export { type Finding, fault } from './finding.ts'
export { ownKeys } from './fork-keys.ts'
export { type InjectEffects, type InjectResult, inject, showInjection } from './inject/inject.ts'
export { type InjectRequest, type PreparedInjection, prepareInjection } from './inject/prepare-injection.ts'
export { checkRoot } from './inject/root.ts'
export type { SubmitInterruption } from './interruption.ts'
export { removeLeftovers } from './leftovers.ts'
export { checkInitImage } from './localize-container.ts'
export { checkServers, type OwnOptions, type Prepared, prepare, rootDefault } from './prepare.ts'
export { type ProbeRequest, probe } from './probe.ts'
export { namesSecret, objectsAsYaml, shownObjects } from './shown-objects.ts'
export { type Rendered, render } from './steps/order.ts'
export type { OwnerName, Submission } from './submission.ts'
export { type SubmitRequest, type SubmitResult, submit } from './submit.ts'
export { splitList } from './survey.ts'
export { type WatchRequest, type WatchResult, watchApplication } from './watch.ts'
export { type Composed, compose } from './wrap/compose.ts'
export { driverHost } from './wrap/driver-service.ts'
export { findOwnPod } from './wrap/own-pod.ts'
export { type PreparedWrap, prepareWrap, type WrappedCommand } from './wrap/prepare.ts'
export { type ForwardSignals, startCommand } from './wrap/run-command.ts'
export { shellLine } from './wrap/shell-words.ts'
export { preview, wrap } from './wrap/wrap.ts'
