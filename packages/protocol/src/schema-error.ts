/** Turns what a schema says about outside data into our error: names the field, says what is wrong. */
import type { z } from 'zod'
import { SupercargoError } from './errors.ts'
import { printable } from './file-path.ts'

/** Parses `value` or throws kind `invalid`. `what` names it in the message: "the plan /etc/plan.json", "the request". */
export function parseWith<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
  code = 'invalid-input',
): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issues = result.error.issues.slice(0, 5).map((issue) => describeIssue(issue))
  const more = result.error.issues.length > 5 ? ` (and ${result.error.issues.length - 5} more)` : ''
  throw new SupercargoError('invalid', code, `${what} is not valid: ${issues.join('; ')}${more}`, {
    context: { fields: result.error.issues.slice(0, 5).map((issue) => fieldName(issue.path)) },
  })
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const field = fieldName(issue.path)
  const message =
    issue.code === 'unrecognized_keys'
      ? `unknown ${issue.keys.length > 1 ? 'keys' : 'key'} ${issue.keys.map(printable).join(', ')}`
      : issue.message
  return field === '' ? message : `${field}: ${message}`
}

/** `files[3].path` */
function fieldName(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? String(part) : `.${String(part)}`))
    .join('')
}

/** Parses JSON text or throws kind `invalid` with the position but never the text (it may hold a secret). */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const position = /position (\d+)/.exec((error as Error).message)?.[1]
    throw new SupercargoError(
      'invalid',
      'bad-json',
      `${what} is not JSON${position === undefined ? '' : ` (at character ${position})`}`,
    )
  }
}
