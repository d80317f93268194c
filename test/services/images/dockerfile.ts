/** Reads the Dockerfiles of this project: their stages and instructions, in the few forms that they use. A new form is refused by name. */
import { SupercargoError } from '@supercargo/protocol'

export type Instruction =
  | { readonly keyword: 'WORKDIR' | 'RUN' | 'USER'; readonly value: string }
  | { readonly keyword: 'COPY'; readonly stage: string | undefined; readonly from: string; readonly to: string }
  | { readonly keyword: 'ENTRYPOINT' | 'CMD'; readonly words: readonly string[] }
  | { readonly keyword: 'EXPOSE'; readonly port: number }
  | { readonly keyword: 'ENV' | 'LABEL'; readonly pairs: Readonly<Record<string, string>> }

export interface Stage {
  readonly base: string
  readonly name: string | undefined
  readonly instructions: readonly Instruction[]
}

export function parseDockerfile(text: string): readonly Stage[] {
  const stages: { base: string; name: string | undefined; instructions: Instruction[] }[] = []
  for (const line of logicalLines(text)) {
    const [, keyword, rest] = /^([A-Z]+)\s+(.*)$/s.exec(line) ?? []
    if (keyword === undefined || rest === undefined) throw refused(line)
    if (keyword === 'FROM') {
      const [, base, name] = /^(\S+)(?:\s+AS\s+(\S+))?$/.exec(rest) ?? []
      if (base === undefined) throw refused(line)
      stages.push({ base, name, instructions: [] })
      continue
    }
    const stage = stages.at(-1)
    if (stage === undefined) throw refused(line)
    stage.instructions.push(instruction(keyword, rest, line))
  }
  return stages
}

/** Without comments, with continued lines joined. */
function logicalLines(text: string): string[] {
  const kept = text.split('\n').filter((line) => !/^\s*(#|$)/.test(line))
  return kept
    .join('\n')
    .replace(/\s*\\\n\s*/g, ' ')
    .split('\n')
    .filter(Boolean)
}

function instruction(keyword: string, rest: string, line: string): Instruction {
  switch (keyword) {
    case 'WORKDIR':
    case 'RUN':
    case 'USER':
      return { keyword, value: rest.trim() }
    case 'COPY': {
      const [, stage, from, to] = /^(?:--from=(\S+)\s+)?([^\s-]\S*)\s+(\S+)$/.exec(rest) ?? []
      if (from === undefined || to === undefined) throw refused(line)
      return { keyword, stage, from, to }
    }
    case 'ENTRYPOINT':
    case 'CMD': {
      if (!rest.startsWith('[')) throw refused(line)
      return { keyword, words: JSON.parse(rest) as string[] }
    }
    case 'EXPOSE': {
      if (!/^\d+$/.test(rest)) throw refused(line)
      return { keyword, port: Number(rest) }
    }
    case 'ENV':
    case 'LABEL': {
      const pairs = [...rest.matchAll(/([\w.-]+)=(?:"([^"\\]*)"|([^\s"]+))(?:\s+|$)/g)]
      if (pairs.map((pair) => pair[0]).join('') !== rest) throw refused(line)
      return { keyword, pairs: Object.fromEntries(pairs.map((pair) => [pair[1]!, pair[2] ?? pair[3]!])) }
    }
    default:
      throw refused(line)
  }
}

function refused(line: string): SupercargoError {
  return new SupercargoError(
    'invalid',
    'dockerfile-form',
    `this form of a Dockerfile is not understood here: ${line}`,
    {
      hint: 'Write it in a form that is in use already, or teach test/services/images/dockerfile.ts to read it.',
    },
  )
}
