/** Wiring: each input of a stage is wired, to what it takes. TypeScript says so earlier, where somebody asks it. */
import type * as Artifact from "../Artifact.ts"
import { DeclarationError } from "../Names.ts"
import type * as Stage from "../Stage.ts"
import { inWords } from "./Options.ts"

/** What an input is wired to, as far as it is that. */
interface Wire {
  readonly _tag?: string
  readonly artifact?: Artifact.Any
  readonly port?: Wire
}

const nameOf = ({ kind, tag }: Artifact.Any): string => `${kind} ${tag}`

const list = (names: ReadonlyArray<string>): string => names.join(", ") || "none"

/** What is wrong with what an input is wired to; undefined if nothing is. */
const problem = (input: Artifact.Input, to: unknown, isOver: boolean): string | undefined => {
  const { _tag, artifact, port } = (typeof to === "object" && to !== null ? to : {}) as Wire
  if (artifact === undefined || port !== undefined) {
    const hint = port === undefined ? "" : ", whose port is .port"
    return `an output of a step (step.out.name) or a source (source.port), but found ${_tag === "Source" ? "a source" : inWords(to)}${hint}`
  }
  const isMany = _tag === "Many" || _tag === "Entries"
  if (_tag === "Entries" && !isOver && input.kind === "many")
    return "outputs of steps, but found entries of a folder or a list. Wire the folder or the list itself"
  if (isMany !== (isOver || input.kind === "many")) {
    const of = isMany ? "many" : "one"
    const place = isOver ? "over" : "an input of Artifact.many"
    return isMany
      ? `one artifact, but found many. Place a step for each: Pipeline.each`
      : `many artifacts for ${place}, but found ${of}`
  }
  const wanted = input.kind === "many" ? input.of : input
  return nameOf(artifact) === nameOf(wanted) ? undefined : `${nameOf(wanted)}, but found ${nameOf(artifact)}`
}

/** Refuses a step that does not wire each input of its stage, or wires others; `over` are those of which it takes one each. */
export const check = (
  { name, inputs }: Stage.Any,
  wired: Readonly<Record<string, unknown>>,
  over: Readonly<Record<string, unknown>> = {}
): void => {
  const declared = inputs as Stage.Inputs
  for (const [input, of] of Object.entries(declared)) {
    const isOver = input in over
    const what = problem(of, isOver ? over[input] : wired[input], isOver)
    if (what !== undefined) throw new DeclarationError(`step ${name}: expected input ${input} to be wired to ${what}`)
  }
  const stray = [...Object.keys(wired), ...Object.keys(over)].find((input) => declared[input] === undefined)
  if (stray !== undefined)
    throw new DeclarationError(
      `step ${name}: expected inputs of its stage (${list(Object.keys(declared))}), but found ${stray}`
    )
}
