/** Python: what a stage declares whose work is a Python script. */
import { DeclarationError } from "../Names.ts"

/** A script and its interpreter. Paths are relative to the pipeline's folder. */
export interface Python {
  /** What names the code of the script in a pipeline. */
  readonly id: string
  readonly source: string
  readonly interpreter: string
  readonly path: ReadonlyArray<string>
}

/** What is declared, checked. */
export const of = (options: {
  readonly name: string
  readonly source: string
  readonly python?: string
  readonly path?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
}): Python => {
  const { name, source, python: interpreter = "python3", path = [], env = {} } = options
  const texts: ReadonlyArray<unknown> = [source, interpreter, ...path]
  if (texts.some((each) => typeof each !== "string" || each === ""))
    throw new DeclarationError(`${name}: expected source, python and path to be texts, but found others`)
  const own = Object.keys(env).find((each) => each.startsWith("PYTHON") || each === "OP_PIPE_CONTEXT")
  if (own !== undefined)
    throw new DeclarationError(
      `${name}: expected env to hold variables of yours, but found ${own}, which op-pipe sets itself. Folders with modules go to path: ["lib"]`
    )
  return { id: `python ${JSON.stringify([interpreter, source, path])}`, source, interpreter, path }
}
