/**
 * Places: where the store and the outputs of a pipeline are: as asked for, else as the environment says (`OP_PIPE_STORE`,
 * `OP_PIPE_OUTPUTS`), else as the pipeline declares, else beside the pipeline.
 */
import * as path from "node:path"
import type { Pipeline } from "../../pipeline/Pipeline.ts"

export interface Places {
  readonly storeDir: string
  readonly outputsDir: string
}

/** The variable for each place. One that is empty counts as none. */
export const variables = { store: "OP_PIPE_STORE", outputs: "OP_PIPE_OUTPUTS" } as const

/**
 * What is declared, and the defaults, start from `root`, the folder of the pipeline. What is asked for starts from `from`, what the
 * environment says from the working directory, as people mean it who write it there.
 */
export const placesOf = (
  { store, outputs }: Pick<Pipeline, "store" | "outputs">,
  asked: { readonly store?: string | undefined; readonly outputs?: string | undefined },
  {
    root,
    from = ".",
    defaultOutputs = "outputs"
  }: { readonly root: string; readonly from?: string; readonly defaultOutputs?: string }
): Places => {
  const placeOf = (name: keyof typeof variables, declared: string | undefined, otherwise: string): string => {
    const given = asked[name]
    if (given !== undefined) return path.resolve(from, given)
    const ofEnvironment = process.env[variables[name]]
    return ofEnvironment ? path.resolve(ofEnvironment) : path.resolve(root, declared ?? otherwise)
  }
  return { storeDir: placeOf("store", store, ".op-pipe"), outputsDir: placeOf("outputs", outputs, defaultOutputs) }
}
