/** `supercargo localize`: hands over to the localizer. */
import { localizeCommand } from '@supercargo/localizer'
import type { Run } from './invocation.ts'

export const localize: Run = ({ argv, io }) => localizeCommand(argv, io)
