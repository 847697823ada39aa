/** placeholder, written below */
import * as Effect from "effect/Effect"
import { EngineError, type EngineIdentity } from "./Identity.ts"
import type { Engine } from "./Open.ts"
export const identifyWebgpu = (): Effect.Effect<EngineIdentity, EngineError> => Effect.fail(new EngineError({ engine: "webgpu", expected: "a", actual: "b", toDo: "c" }))
export const openWebgpu = async (_identity: EngineIdentity): Promise<Engine> => { throw new Error("x") }
export const findWebgpu = (): Effect.Effect<Record<string, string>, EngineError> => Effect.fail(new EngineError({ engine: "webgpu", expected: "a", actual: "b", toDo: "c" }))
