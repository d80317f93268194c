/** The collector's look at a directory: by synchronous reads, because the thread pool belongs to the transfers. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { isErrno } from '@supercargo/transfer'
import { blobFacts, scanBlobs } from './blob-scan.ts'
import { DiskLayout, recordId } from './disk-layout.ts'
import { parseRecord } from './record-file.ts'
import type { StoreSurvey, SurveyedRecord } from './store-survey.ts'

/** File times have the precision of the file system; a smaller difference is no fetch. */
const timePrecisionMs = 2

export function diskSurvey(directory: string): StoreSurvey {
  const layout = new DiskLayout(directory)
  return {
    shared: false,
    async *records() {
      for (const name of readdirSync(layout.resources)) {
        const id = recordId(name)
        if (id !== undefined) yield { id, mark: undefined }
      }
    },
    read: async (id) => readRecord(layout, id),
    uploads: async () => new Map(),
    blobs: () => scanBlobs(directory),
    blobFacts: async (namespace, digest) => blobFacts(directory, namespace, digest),
    strays: async () => [],
  }
}

function readRecord(layout: DiskLayout, id: string): SurveyedRecord | undefined {
  try {
    const path = layout.record(id)
    const modifiedMs = statSync(path).mtimeMs
    const record = parseRecord(id, readFileSync(path, 'utf8'))
    return { record, fetchedAtMs: modifiedMs > record.committedAtMs + timePrecisionMs ? modifiedMs : null }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}
