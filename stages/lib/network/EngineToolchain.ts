/**
 * The engine as a toolchain: a stage that declares it has the engine's identity in its key, and the runner knows how
 * many cores the engine uses.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Toolchain } from "../../../core/index.ts"
import { defaultEngineParams, EngineIdentity, EngineParams, identify } from "../../../engine/index.ts"
import { withDefault } from "../../../schemas/Numbers.ts"

const { name, precision, threads } = EngineParams.fields

const Params = Schema.Struct({
  name: withDefault(name, defaultEngineParams.name),
  precision: withDefault(precision, defaultEngineParams.precision),
  threads: withDefault(threads, defaultEngineParams.threads)
})

export const engine = Toolchain.make({
  name: "engine",
  params: Params,
  identity: EngineIdentity,
  cores: ({ threads }, { params, cores }) => threads ?? (params.threads > 0 ? params.threads : cores),
  identify: (params, options) =>
    identify(params, options).pipe(
      Effect.mapError(
        (error) =>
          new Toolchain.ToolchainError(
            error._tag === "EngineError"
              ? {
                  toolchain: `engine ${error.engine}`,
                  expected: error.expected,
                  actual: error.actual,
                  toDo: error.toDo
                }
              : { toolchain: "engine", expected: "enough memory", actual: error.message, toDo: "Free some memory." }
          )
      )
    )
})
