/** What ctrl-c means while a driver runs: it is asked on a terminal, and decided in advance where nobody can answer. */
export interface SubmitInterruption {
  /** `ask` is for terminals; where there is none it means `stop`, because whoever sends SIGTERM to a Job wants its work to end. */
  readonly choice: 'ask' | 'detach' | 'stop'
  /** Undefined without a terminal. Undefined as an answer: nobody answered. */
  readonly ask?: ((question: string) => Promise<string | undefined>) | undefined
}

const question = 'the driver is still there. [d]etach and let it go on, or [s]top it? [d] '

export async function whatToDo({ choice, ask }: SubmitInterruption): Promise<'detach' | 'stop'> {
  if (choice !== 'ask') return choice
  if (ask === undefined) return 'stop'
  const answer = (await ask(question)) ?? ''
  return answer.trim().toLowerCase().startsWith('s') ? 'stop' : 'detach'
}
