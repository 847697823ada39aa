/**
 * LeftOut: a source of which so much is ignored that no sealed step could start, copied without that.
 *
 * What a source ignores is hidden by mounts, one for each file. A thousand take a second, and bubblewrap takes 9,000 arguments,
 * three a mount. Copies share their blocks where the file system can do that.
 */

import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { StepError } from "../Executor.ts"
import type { StepTask } from "../StepTask.ts"

const mostMounts = 1000

const copyWithout = async (from: string, to: string, ignored: ReadonlySet<string>): Promise<void> => {
  const filter = (file: string): boolean => !ignored.has(path.relative(from, file).split(path.sep).join("/"))
  const options = { mode: fs.constants.COPYFILE_FICLONE, preserveTimestamps: true, verbatimSymlinks: true }
  await fs.promises.cp(from, to, { ...options, recursive: true, filter })
}

/** The task with copies of those sources in their places. */
export const without = Effect.fnUntraced(function* (task: StepTask) {
  const inputs: Record<string, string> = {}
  for (const [name, from] of Object.entries(task.inputs)) {
    const ignored = task.ignored.flatMap(({ input, path: at }) => (input === name ? [at] : []))
    if (ignored.length <= mostMounts) continue
    const to = path.join(path.dirname(task.workdir), "copies", name)
    yield* Effect.tryPromise({
      try: () => copyWithout(from, to, new Set(ignored)),
      catch: (cause) => {
        const reason = `could not copy its input ${name} without the ${ignored.length} files that it ignores: ${(cause as Error).message}`
        return new StepError({ step: task.step, fault: "stage", reason, log: null })
      }
    })
    inputs[name] = to
  }
  const left = task.ignored.filter(({ input }) => inputs[input] === undefined)
  return { ...task, inputs: { ...task.inputs, ...inputs }, ignored: left } satisfies StepTask
})
