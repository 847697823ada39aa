/** Elsewhere: what a step that is done on another machine takes there, and what that machine must be like. */
import type { Elsewhere } from "../../executor/Executor.ts"
import type { Order } from "../../executor/remote/Order.ts"
import * as Limits from "../../pipeline/Limits.ts"
import type * as Stage from "../../pipeline/Stage.ts"
import type { AnyStep } from "../../pipeline/Step.ts"
import * as Ingredients from "../../plan/Ingredients.ts"
import { codeIdOf, declaredId, fingerprintOf, type Prepared } from "../../plan/Prepared.ts"

/**
 * How many cores the step is told to use: as configured, as it declares, or as many as its toolchains keep busy. A stage that
 * says nothing has one: what it would have here, all of the machine, may never be free there.
 */
export const coresOf = ({ cores }: Elsewhere, prepared: Prepared, step: AnyStep): number => {
  const toolchains = Ingredients.toolchainsOfStep(prepared, step)
  const declared = Limits.over(step.stage.limits, step.limits).cores
  return cores ?? declared ?? Math.max(1, ...toolchains.map((each) => each.cores))
}

const pythonOf = (prepared: Prepared, { stage }: AnyStep): Order["machine"]["python"] => {
  const fingerprint = fingerprintOf(prepared, stage)
  const id = codeIdOf(stage)
  if (stage._tag !== "Command" || fingerprint === undefined || id === undefined) return null
  return { id, identity: fingerprint.text }
}

/** What a stage declares of each output: an edit of the pipeline while a job waits may change it. */
export const declaredOutputs = ({ output }: Stage.Any): Order["outputs"] =>
  Object.fromEntries(
    Object.entries(output as Stage.Artifacts).map(([name, artifact]) => {
      const { kind, tag, path, optional, materialize } = artifact
      const volatile = artifact.kind === "json" ? artifact.volatile : []
      return [name, JSON.stringify({ kind, tag, path, optional, materialize, volatile })] as const
    })
  )

/** What is to be known of the task of `step` where it is done. */
export const orderOf = (
  prepared: Prepared,
  step: AnyStep,
  {
    key,
    runtime,
    origins
  }: { readonly key: Order["key"]; readonly runtime: Order["machine"]["runtime"]; readonly origins: Order["origins"] }
): Order => {
  const { memoryBytes = null, gpus = null, timeoutMs = null } = Limits.over(step.stage.limits, step.limits)
  const toolchains = Ingredients.toolchainsOfStep(prepared, step).map(({ toolchain: { name }, encoded }) => {
    const params = prepared.settings.toolchains[name]
    return [name, { params, identity: encoded }] as const
  })
  return {
    key,
    declared: step.replica?.of ?? declaredId(step),
    outputs: declaredOutputs(step.stage),
    origins,
    machine: {
      runtime,
      toolchains: Object.fromEntries(toolchains),
      programs: prepared.programs.get(declaredId(step)) ?? {},
      python: pythonOf(prepared, step),
      cores: prepared.cores
    },
    memoryBytes,
    gpus,
    timeoutMs
  }
}

/** How long an attempt may take here: of a step that is done elsewhere, it is measured there, without the time in a queue. */
export const timeoutOf = (elsewhere: Elsewhere | undefined, { stage, limits }: AnyStep): number | undefined =>
  elsewhere === undefined ? Limits.over(stage.limits, limits).timeoutMs : undefined
