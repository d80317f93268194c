/** A step: a pure, additive edit of the spec, with a name that messages use. */
import type { Spec } from '../spec.ts'
import type { Submission } from '../submission.ts'

export interface Step {
  /** As the subject of a sentence: "the driver's Service". */
  readonly name: string
  apply(spec: Spec, submission: Submission): Spec
}
