/** `op-pipe job FOLDER TOKEN`: what a cluster calls on the machine that it has given to a step. People have no use for it. */
import * as path from "node:path"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as ProcessExecutor from "../../../core/executor/ProcessExecutor.ts"
import { refusal } from "../../../core/executor/remote/Refusal.ts"
import * as Worker from "../../../core/run/job/Worker.ts"
import { printLine } from "../../Console.ts"
import { RunFailed } from "../../Failure.ts"
import * as Flags from "../../Flags.ts"
import * as Session from "../../Session.ts"
import * as Signals from "../../Signals.ts"

export const job = Command.make(
  "job",
  {
    ...Flags.project,
    folder: Argument.String("folder").pipe(Argument.withDescription("The folder of the job, in the store")),
    token: Argument.String("token").pipe(Argument.withDescription("Which of its submissions"))
  },
  Effect.fn("cli.job")(function* (flags) {
    const working = Session.withStore(flags, (project) =>
      Worker.work(path.resolve(flags.folder), flags.token, project).pipe(Effect.provide(ProcessExecutor.layer))
    )
    const outcome = yield* Signals.atWork(working)
    if (outcome.type === "done") return yield* printLine(`done in ${(outcome.durationMs / 1000).toFixed(1)} s`)
    const message = outcome.type === "refused" ? refusal("the step", outcome).reason : outcome.reason
    yield* printLine(message)
    return yield* new RunFailed({ fault: outcome.type === "refused" ? "input" : outcome.fault, message })
  })
).pipe(Command.withDescription("Do one step of a run on another machine; a cluster calls it, not you"))
