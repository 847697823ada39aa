/**
 * The public face of the command line, `op-pipe/cli`: the parts that a pipeline's own verbs are written with.
 *
 * A verb is a `Command.make` of `effect/cli`, handed over by `Pipeline.make({ commands })`. It gets Node's file system,
 * paths, processes and terminal. It fails with `UsageError` (exit code 2) or `RunFailed`, or with an error of its own that
 * has a message (exit code 1).
 *
 * @example
 * ```ts
 * import * as Argument from "effect/cli/Argument"
 * import * as Command from "effect/cli/Command"
 * import * as Effect from "effect/Effect"
 * import { lastResult, printLine, projectFlags, withStore } from "op-pipe/cli"
 *
 * export const head = Command.make("head", { ...projectFlags, step: Argument.String("step") }, (flags) =>
 *   withStore(flags, () => Effect.flatMap(lastResult(flags.step), ({ key }) => printLine(`${flags.step}: ${key}`)))
 * )
 * ```
 *
 * @module op-pipe/cli
 */
export { type LastResult, NoResult, of as lastResult } from "../core/run/LastResult.ts"
export { version } from "../core/run/Provenance.ts"
export { formatBytes, formatCount, formatDuration, paint, printError, printLine } from "./Console.ts"
export { RunFailed, UsageError } from "./Failure.ts"
export { json as jsonFlag, project as projectFlags } from "./Flags.ts"
export type { Project, ProjectFlags } from "./Project.ts"
export { replaceFile, toolchainDir, withStore } from "./Session.ts"
