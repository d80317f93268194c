/** A herd as a process of its own: options as JSON in its argument, what each client saw as JSON on its output. */
import { runHerd } from '../process/herd.ts'

console.log(JSON.stringify(await runHerd(JSON.parse(process.argv[2]!))))
