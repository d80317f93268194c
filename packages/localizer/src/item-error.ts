/** A failure with the item in front that it is about, and the facts that the termination log shows. */
import { printable, SupercargoError, toSupercargoError } from '@supercargo/protocol'

export interface FailedItem {
  readonly target: string
  /** The source, as it is shown. */
  readonly shown: string
  readonly attempts?: number
}

/** Kind, code, cause and hint stay as they are. */
export function itemError(error: unknown, item: FailedItem): SupercargoError {
  const { kind, code, message, cause, hint, status, retryAfterMs, context } = toSupercargoError(error)
  return new SupercargoError(kind, code, `${printable(item.target).slice(1, -1)}: ${message}`, {
    cause,
    hint,
    status,
    retryAfterMs,
    context: {
      ...context,
      item: item.target,
      source: item.shown,
      ...(item.attempts === undefined ? {} : { attempts: item.attempts }),
    },
  })
}
