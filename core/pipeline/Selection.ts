/** Selection: which of a pipeline's steps a run is about. */
import { type AnyStep, upstream } from "./Step.ts"

const closure = (roots: Iterable<AnyStep>, next: (step: AnyStep) => Iterable<AnyStep>): ReadonlySet<AnyStep> => {
  const reached = new Set<AnyStep>(roots)
  // iteration over a set includes items that are added meanwhile
  for (const step of reached) for (const each of next(step)) reached.add(each)
  return reached
}

/** Which steps a run is about; empty lists do not narrow it. */
export interface Selection {
  readonly only: ReadonlyArray<string>
  readonly from: ReadonlyArray<string>
  readonly until: ReadonlyArray<string>
}

/**
 * The selected steps, and the steps that they need, each upstream first. `from` selects steps and all downstream of
 * them, `until` steps and all upstream of them, both together what lies between; `only` selects the steps themselves.
 */
export const select = (
  { steps }: { readonly steps: ReadonlyArray<AnyStep> },
  { only, from, until }: Selection
): { readonly asked: ReadonlyArray<AnyStep>; readonly needed: ReadonlyArray<AnyStep> } => {
  if ([only, from, until].every((ids) => ids.length === 0)) return { asked: steps, needed: [] }
  const named = (ids: ReadonlyArray<string>): ReadonlyArray<AnyStep> => steps.filter((step) => ids.includes(step.id))
  const downstream = new Map<AnyStep, Array<AnyStep>>(steps.map((step) => [step, []]))
  for (const step of steps) for (const needed of upstream(step)) downstream.get(needed)?.push(step)
  const after = closure(named(from), (step) => downstream.get(step) ?? [])
  const before = closure(named(until), upstream)
  const asked = new Set(
    steps.filter(
      (step) =>
        (only.length === 0 || only.includes(step.id)) &&
        (from.length === 0 || after.has(step)) &&
        (until.length === 0 || before.has(step))
    )
  )
  const all = closure(asked, upstream)
  return { asked: Array.from(asked), needed: steps.filter((step) => all.has(step) && !asked.has(step)) }
}
