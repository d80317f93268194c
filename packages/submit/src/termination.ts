/** What the localizer wrote into the termination log of the init-container, as an error. */
import { type ErrorKind, kindTable, SupercargoError } from '@supercargo/protocol'
import { z } from 'zod'

const messageSchema = z.looseObject({
  ok: z.literal(false),
  kind: z.string(),
  code: z.string(),
  message: z.string(),
  hint: z.string().optional(),
})

/** `pod` names the pod in the message: "the driver etl-driver". */
export function localizerFailure(message: string | undefined, exitCode: number, pod: string): SupercargoError {
  const parsed = messageSchema.safeParse(asJson(message ?? ''))
  if (!parsed.success) {
    const says = (message ?? '').trim().split('\n').at(-1) ?? ''
    return new SupercargoError(
      'internal',
      'localize-failed',
      `${pod} has not got its files: its init-container ended with ${exitCode}${says === '' ? '' : `: ${says}`}`,
      {
        context: { exitCode },
      },
    )
  }
  const { kind, code, message: says, hint } = parsed.data
  const known: ErrorKind = Object.hasOwn(kindTable, kind) ? (kind as ErrorKind) : 'internal'
  return new SupercargoError(known, code, `${pod} has not got its files: ${says}`, { hint, context: { exitCode } })
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // Another program's words, or the end of a log.
  }
}
