/** Python: the identities of a pipeline's Python scripts. Each interpreter is asked once, for all of its scripts. */
import { existsSync } from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { CodeUnknown } from "../../../cache/code/CodeFingerprint.ts"
import * as PythonCode from "../../../cache/code/python/PythonCode.ts"
import type { Python } from "../../pipeline/command/Python.ts"
import type { AnyStep } from "../../pipeline/Step.ts"

/** Where an interpreter is: a name is looked for on PATH, a path is relative to the pipeline's folder. */
const locate = (interpreter: string, root: string): string =>
  interpreter.includes("/") ? path.resolve(root, interpreter) : interpreter

/** A script, and where its modules are looked for, on this machine. */
export const scriptOf = ({ source, path: folders }: Python, root: string): PythonCode.Script => ({
  script: path.resolve(root, source),
  path: folders.map((folder) => path.resolve(root, folder))
})

const scriptsOf = (steps: ReadonlyArray<AnyStep>): ReadonlyArray<Python> => {
  const all = steps.flatMap(({ stage }) =>
    stage._tag === "Command" && stage.python !== undefined ? [[stage.python.id, stage.python] as const] : []
  )
  return Array.from(new Map(all).values())
}

/** The identity of each script of `steps`, by its id. */
export const identities = Effect.fnUntraced(function* (steps: ReadonlyArray<AnyStep>, root: string) {
  const scripts = scriptsOf(steps)
  const found: Array<readonly [string, PythonCode.PythonFingerprint]> = []
  const missing = scripts.find(({ source }) => !existsSync(path.resolve(root, source)))
  if (missing !== undefined) {
    const reason = `expected a Python file in ${root}, but found nothing there. A source is relative to the pipeline's folder`
    return yield* new CodeUnknown({ file: missing.source, reason })
  }
  for (const interpreter of new Set(scripts.map((each) => each.interpreter))) {
    const own = scripts.filter((each) => each.interpreter === interpreter)
    const asked = own.map((each) => scriptOf(each, root))
    const identities = yield* PythonCode.identify(locate(interpreter, root), root, asked)
    for (const [at, identity] of identities.entries()) found.push([own[at]!.id, identity])
  }
  return found
})
