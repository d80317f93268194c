/** Turns what a schema says about outside data into our error: names the field, says what is wrong. */
import type { z } from 'zod'
import { SupercargoError } from './errors.ts'
import { printable } from './file-path.ts'

/** Said of one value; whoever repairs these sees the rest. */
const issuesMax = 5

/** Parses `value` or throws kind `invalid`. `what` names it in the message: "the plan /etc/plan.json", "the request". */
export function parseWith<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
  code = 'invalid-input',
): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const all = result.error.issues.flatMap(meant)
  const issues = all.slice(0, issuesMax)
  const more = all.length > issuesMax ? ` (and ${all.length - issuesMax} more)` : ''
  throw new SupercargoError('invalid', code, `${what} is not valid: ${issues.map(describeIssue).join('; ')}${more}`, {
    context: { fields: issues.map((issue) => fieldName(issue.path)) },
  })
}

/** Of a value that may be one thing or another: what is wrong with it as the thing that it looks like. */
function meant(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const isAnotherType = (each: z.core.$ZodIssue) => each.code === 'invalid_type' && each.path.length === 0
  const branches = issue.errors.filter((branch) => branch.length > 0 && !branch.some(isAnotherType))
  if (branches.length !== 1) return [issue]
  return branches[0]!.flatMap((each) => meant({ ...each, path: [...issue.path, ...each.path] }))
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
