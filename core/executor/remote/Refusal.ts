/** Refusal: a machine that is not as the key of a step says does not do the step. */
import { StepError } from "../Executor.ts"
import type { Outcome } from "./Job.ts"

type Refused = Extract<Outcome, { readonly type: "refused" }>

/** The error of a step whose machine refused it: what differs, and what to do. */
export const refusal = (step: string, { host, differences }: Refused): StepError => {
  const all = differences.map(({ what, expected, actual }) => `${what} to be ${expected}, but it is ${actual}`)
  const toDo =
    "Have its job sent to machines of one kind (`constraint` or `partition` in op-pipe.json), run the pipeline on such a machine, or make them alike"
  return new StepError({ step, fault: "input", reason: `expected on ${host} ${all.join("; ")}. ${toDo}`, log: null })
}
