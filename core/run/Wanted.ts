/** Wanted: the steps that a run is about, by the names that people give them. */
import * as Effect from "effect/Effect"
import type { Pipeline } from "../pipeline/Pipeline.ts"
import { type Selection, select } from "../pipeline/Selection.ts"
import { type AnyStep, branchOf, upstream } from "../pipeline/Step.ts"
import { resolveSteps } from "../plan/Settings.ts"
import { SettingsError } from "../plan/SettingsError.ts"

/** Names of steps or stages; `train(bn)` and `train@bn` are one. Empty lists do not narrow the run. */
export interface Asked extends Selection {
  /** Steps to execute even if their result is there; `all` for every one. */
  readonly force: ReadonlyArray<string>
}

const selectionFlags = ({ only, from, until }: Selection): string =>
  Object.entries({ only, from, until })
    .flatMap(([name, ids]) => ids.map((id) => `--${name} ${id}`))
    .join(" ")

/**
 * The steps that were asked for, those that they need, both in the pipeline's order, and the forced ones among them.
 */
export const wanted = Effect.fnUntraced(function* (pipeline: Pipeline, names: Asked) {
  const only = yield* resolveSteps(pipeline, "--only", names.only)
  const selection = {
    only: only.map(declaredIn),
    from: (yield* resolveSteps(pipeline, "--from", names.from)).map(declaredIn),
    until: (yield* resolveSteps(pipeline, "--until", names.until)).map(declaredIn)
  }
  const { asked, needed } = select(pipeline, selection)
  if (pipeline.steps.length === 0) {
    const expected = "steps"
    return yield* new SettingsError({ asked: `the pipeline ${pipeline.name}`, expected, actual: "none" })
  }
  if (asked.length === 0) {
    const expected = "at least one step that is all of these"
    return yield* new SettingsError({ asked: selectionFlags(selection), expected, actual: "none" })
  }
  const all = new Set([...asked, ...needed])
  const steps = pipeline.steps.filter((step) => all.has(step))
  const named = names.force.filter((each) => each !== "all")
  const forced = yield* resolveSteps(pipeline, "--force", named)
  const isAll = names.force.includes("all")
  const branches = branchesOf(only, steps)
  return { asked, needed, steps, branches, forced: new Set(isAll ? steps.map((step) => step.id) : forced) }
})

const declaredIn = (id: string): string => branchOf(id)?.of ?? id

/** The branches that alone are wanted, by step: unless that step is asked for too, or one that reads all of them. */
const branchesOf = (only: ReadonlyArray<string>, steps: ReadonlyArray<AnyStep>) => {
  const found = new Map<string, Set<string>>()
  for (const branch of only.flatMap((id) => branchOf(id) ?? [])) {
    const isWhole = only.includes(branch.of) || steps.some((step) => upstream(step).some(({ id }) => id === branch.of))
    if (!isWhole) found.set(branch.of, (found.get(branch.of) ?? new Set<string>()).add(branch.name))
  }
  return found as ReadonlyMap<string, ReadonlySet<string>>
}
