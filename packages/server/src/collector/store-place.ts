/** Where the store is that the collector's thread looks at, beside the one that serves. */
import { systemClock } from '@supercargo/transfer'
import { diskSurvey } from '../store/disk-survey.ts'
import type { S3Address } from '../store/s3/s3-address.ts'
import type { StoreSurvey } from '../store/store-survey.ts'

export type StorePlace =
  | { readonly kind: 'disk'; readonly directory: string }
  | { readonly kind: 's3'; readonly address: S3Address }

/** A bucket is asked over connections of this thread's own; what asks it is loaded only then. */
export async function openSurvey(place: StorePlace): Promise<{ readonly survey: StoreSurvey; close(): void }> {
  if (place.kind === 'disk') return { survey: diskSurvey(place.directory), close: () => undefined }
  const [{ openBucket }, { guarded }, { S3Layout }, { s3Survey }] = await Promise.all([
    import('../store/s3/s3-address.ts'),
    import('../store/s3/s3-border.ts'),
    import('../store/s3/s3-layout.ts'),
    import('../store/s3/s3-survey.ts'),
  ])
  const { objects, close } = openBucket(place.address, { environment: process.env, clock: systemClock })
  return { survey: s3Survey(guarded(objects), new S3Layout(place.address.prefix), { clock: systemClock }), close }
}
