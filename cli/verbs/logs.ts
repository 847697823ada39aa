/** `op-pipe logs STEP`: what a step printed. */
import { readFileSync } from "node:fs"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Store } from "../../cache/store/Store.ts"
import { asPlainText } from "../../core/executor/log/Log.ts"
import { branchOf, displayName } from "../../core/pipeline/Step.ts"
import { resolveSteps } from "../../core/plan/Settings.ts"
import * as RunLog from "../../core/run/RunLog.ts"
import { printError, write } from "../Console.ts"
import { UsageError } from "../Failure.ts"
import * as Flags from "../Flags.ts"
import { printJson } from "../json/Shapes.ts"
import * as Logs from "../Logs.ts"
import * as Session from "../Session.ts"

/** The run that executed a step for `asked`; the latest that left a log if none is asked for. */
const executedBy = Effect.fnUntraced(function* (step: string, asked: string | undefined) {
  const { layout, results } = yield* Store
  if (asked === undefined) return Logs.runsWith(layout, step)[0]
  const record = yield* RunLog.find(asked)
  const key = record.keys[step]
  const result = key === undefined ? Option.none() : yield* results.withOutputs(key, record.outputs[step])
  return Option.isNone(result) ? record.runId : result.value.provenance.runId
})

const lookMs = 200

/** Prints what is added to the log, until the run that writes it has ended. */
const follow = Effect.fnUntraced(function* (file: string, runId: string) {
  const read = Logs.reader(file)
  const isRunning = Effect.map(
    RunLog.readRun(runId),
    Option.exists(({ state }) => state === "running")
  )
  while (yield* isRunning) {
    yield* Effect.sync(() => write(read(false)))
    yield* Effect.sleep(lookMs)
  }
  yield* Effect.sync(() => write(read(true)))
})

export const logs = Command.make(
  "logs",
  {
    ...Flags.project,
    step: Argument.String("step"),
    run: Flag.String("run").pipe(
      Flag.withMetavar("RUN"),
      Flag.withDescription("The run whose result it is; default: the latest that executed the step"),
      Flag.optional
    ),
    follow: Flags.toggle("follow", "Go on until the run has ended"),
    raw: Flags.toggle("raw", "Print the bytes as they are, colours and all"),
    json: Flags.json
  },
  Effect.fn("cli.logs")(function* (flags) {
    yield* Session.withStore(flags, ({ pipeline }) =>
      Effect.gen(function* () {
        const { layout, results } = yield* Store
        const steps = yield* resolveSteps(pipeline, "logs", [flags.step])
        const [step] = steps
        if (step === undefined || steps.length > 1) {
          const message = `logs ${flags.step}: expected one step, but found ${steps.map(displayName).join(", ")}. Name one of them`
          return yield* new UsageError({ message })
        }
        if (pipeline.steps.some(({ id, each }) => id === step && each !== undefined)) {
          const message = `logs ${flags.step}: expected one of its branches, ${displayName(step)}[NAME], but found what stands for all of them. \`op-pipe why ${step}\` names those that have no result`
          return yield* new UsageError({ message })
        }
        const runId = yield* executedBy(step, Option.getOrUndefined(flags.run))
        // the pipeline does not tell which branches there are
        if (runId === undefined && branchOf(step) !== undefined && (yield* results.lastKey(step)) === undefined) {
          const message = `logs ${flags.step}: expected a branch that has a log or a result, but found none of that name`
          return yield* new UsageError({ message })
        }
        const file = runId === undefined ? undefined : layout.log(runId, step)
        const isThere = file !== undefined && Logs.isLog(file)
        if (flags.json) {
          const text = isThere ? asPlainText(readFileSync(file, "utf8")) : ""
          return yield* printJson("logs", { step, runId: runId ?? null, file: isThere ? file : null, text })
        }
        if (flags.follow && runId !== undefined) return yield* follow(layout.log(runId, step), runId)
        if (!isThere) return yield* printError(`${displayName(step)} printed nothing, or its log is no longer kept`)
        const bytes = readFileSync(file)
        yield* Effect.sync(() => (flags.raw ? process.stdout.write(bytes) : write(asPlainText(bytes.toString("utf8")))))
      })
    )
  })
).pipe(Command.withDescription("Show what a step printed, in its last run or an earlier one"))
