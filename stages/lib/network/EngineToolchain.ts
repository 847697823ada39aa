/**
 * EngineToolchain: the engine as a toolchain that a stage can declare, so that its identity counts in the stage's key and
 * the runner knows how many cores it keeps busy.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Toolchain } from "../../../core/index.ts"
import { defaultEngineParams, doctor, EngineIdentity, EngineParams, identify } from "../../../engine/index.ts"

const { name, precision, threads } = EngineParams.fields

const Params = Schema.Struct({
  name: name.pipe(Schema.withDecodingDefaultKey(Effect.succeed(defaultEngineParams.name))),
  precision: precision.pipe(Schema.withDecodingDefaultKey(Effect.succeed(defaultEngineParams.precision))),
  threads: threads.pipe(Schema.withDecodingDefaultKey(Effect.succeed(defaultEngineParams.threads)))
})

export const engine = Toolchain.make({
  name: "engine",
  params: Params,
  identity: EngineIdentity,
  cores: (identity) => identity.threads,
  check: (options) => Effect.map(doctor(options), (rows) => rows.map(({ engine: name, ...row }) => ({ name, ...row }))),
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
