/** The same jars as a single HDFS. */
export { missingHadoop as missingHdfsHa, provisionHadoop as provisionHdfsHa } from '../hdfs/provision.ts'
