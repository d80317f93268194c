/** For tests of other packages: an API server double with scripted faults, and the cluster that the contract works on. */
export * from './contract-cluster.ts'
export * from './faults.ts'
export * from './faulty-api-server.ts'
export * from './owner-lookup-contract.ts'
