/** Puts a network into a TensorFlow.js backend; an exception there means that memory does not suffice. */
import * as Effect from "effect/Effect"
import { EngineError, messageOf } from "../Identity.ts"
import type { Program, ProgramOptions } from "../Program.ts"
import type { Tf } from "./Ops.ts"
import { TfProgram } from "./TfProgram.ts"

export const openTfProgram = (engine: string, tf: Tf, options: ProgramOptions): Effect.Effect<Program, EngineError> =>
  Effect.try({
    try: () => new TfProgram(tf, options),
    catch: (cause) =>
      new EngineError({
        engine,
        expected: "the network to fit in memory",
        actual: messageOf(cause),
        toDo: "Take a smaller batch or image size.",
        cause
      })
  })
