/** What doctor found: one sentence with a verdict, and what to do about it. */
import { causeChain, type SupercargoError } from '@supercargo/protocol'

export interface Finding {
  /** `unknown`: it could not be looked at, which is no fault. */
  readonly verdict: 'good' | 'bad' | 'warning' | 'unknown'
  readonly says: string
  readonly hint?: string
}

export function good(says: string): Finding {
  return { verdict: 'good', says }
}

export function bad(says: string, hint: string): Finding {
  return { verdict: 'bad', says, hint }
}

export function unknown(says: string, hint?: string): Finding {
  return { verdict: 'unknown', says, ...(hint === undefined ? {} : { hint }) }
}

export function fault(error: SupercargoError): Finding {
  return {
    verdict: 'bad',
    says: causeChain(error).slice(0, 2).join(': '),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  }
}
